// SPDX-License-Identifier: Apache-2.0
/**
 * The end of a gateway, in the order in which nobody loses anything: no new devices; leases back,
 * so that another gateway can offer; goodbye to the devices, spread over some seconds, to each when
 * its reports are acknowledged; and last to the center, which hears of the closed sessions.
 *
 * Limits: 8 s for the devices, then `drainTimeoutMs` for the center; a role has 15 s for all.
 */
import type { AdminServer } from "../runtime/admin-server.ts";
import type { ConnectionGate } from "./admission/connection-gate.ts";
import type { GatewayCore } from "./core.ts";
import type { CoapServer } from "./listeners/coap/coap-server.ts";
import type { DeviceListener } from "./listeners/device-listener.ts";
import type { ArtifactListeners } from "./open-artifacts.ts";
import type { ResolvedGatewayOptions } from "./options.ts";
import { sendAway } from "./send-away.ts";
import type { Uplink } from "./uplink/uplink.ts";

export interface GatewayParts {
  readonly core: GatewayCore;
  readonly gate: ConnectionGate;
  readonly mqtt: DeviceListener;
  readonly framed: DeviceListener | null;
  readonly insecureMqtt: DeviceListener | null;
  readonly coap: CoapServer | null;
  readonly insecureCoap: CoapServer | null;
  readonly artifacts: ArtifactListeners | null;
  readonly admin: AdminServer;
  readonly uplink: Uplink;
  /** Resolves when the uplink's loop has ended. */
  readonly uplinkEnded: Promise<void>;
  /** Cuts the uplink. */
  readonly uplinkAbort: AbortController;
  readonly options: ResolvedGatewayOptions;
}

export async function drainGateway(parts: GatewayParts): Promise<void> {
  const { core, gate, mqtt, framed, insecureMqtt, coap, insecureCoap } = parts;
  const { uplink, uplinkAbort, options } = parts;
  const { table, reports } = core;
  const { clock, logger } = options;
  logger.info("gateway is draining", { sessions: table.openCount });
  mqtt.stopAccepting();
  framed?.stopAccepting();
  insecureMqtt?.stopAccepting();
  coap?.stopAccepting();
  insecureCoap?.stopAccepting();
  gate.close();
  core.kept.end();
  await core.leases.drain();
  reports.hurry();
  const isOwed = (slot: number): boolean => uplink.isLinked && reports.heldOf(slot) > 0;
  await sendAway({ table, isOwed, clock, signal: uplinkAbort.signal });
  logger.debug("every device was sent away", { heldReports: reports.heldCount });
  await core.leases.settled();
  uplink.finish();
  const cancelDeadline = clock.setTimer(options.drainTimeoutMs, () => uplinkAbort.abort());
  if (!uplink.isLinked) uplinkAbort.abort();
  await parts.uplinkEnded;
  cancelDeadline();
  await endParts(parts);
  logger.info("gateway has stopped", { heldReports: reports.heldCount });
}

async function endParts(parts: GatewayParts): Promise<void> {
  const { core, mqtt, framed, insecureMqtt, coap, insecureCoap, artifacts, admin } = parts;
  core.presence.stop();
  core.loadLevel.stop();
  core.backlog.stop();
  core.paceKeeper.stop();
  core.leases.stop();
  core.mqttContext.slowConsumers.stop();
  core.trust.close();
  core.chunks.close();
  core.cache.close();
  const insecure = [insecureMqtt?.close(), insecureCoap?.close()];
  const closed = [mqtt.close(), framed?.close(), coap?.close(), ...insecure, artifacts?.close()];
  await Promise.all([...closed, admin[Symbol.asyncDispose]()]);
}
