// SPDX-License-Identifier: Apache-2.0
/**
 * The end of a gateway, in the order in which nobody loses anything: no new devices; leases back,
 * so that another gateway can offer; reports up, so that devices get their acknowledgement; then
 * goodbye to the devices, spread over some seconds, and last to the center, which hears of the
 * closed sessions.
 */
import { delay } from "../ports/clock.ts";
import type { AdminServer } from "../runtime/admin-server.ts";
import type { GatewayCore } from "./core.ts";
import type { CoapServer } from "./listeners/coap/coap-server.ts";
import type { DeviceListener } from "./listeners/device-listener.ts";
import type { ArtifactListeners } from "./open-artifacts.ts";
import type { ResolvedGatewayOptions } from "./options.ts";
import { sendAway } from "./send-away.ts";
import type { Uplink } from "./uplink/uplink.ts";

const POLL_MS = 20;

export interface GatewayParts {
  readonly core: GatewayCore;
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
  const { core, mqtt, framed, insecureMqtt, coap, insecureCoap, uplink, options } = parts;
  const { clock, logger } = options;
  logger.info("gateway is draining", { sessions: core.table.openCount });
  const deadline = new AbortController();
  const cancelDeadline = clock.setTimer(options.drainTimeoutMs, () => deadline.abort());
  mqtt.stopAccepting();
  framed?.stopAccepting();
  insecureMqtt?.stopAccepting();
  coap?.stopAccepting();
  insecureCoap?.stopAccepting();
  core.kept.end();
  await core.leases.drain();
  core.reports.hurry();
  while (uplink.isLinked && core.reports.heldCount > 0 && !deadline.signal.aborted) {
    await delay(clock, POLL_MS, deadline.signal).catch(() => {}); // The loop sees the deadline.
  }
  await sendAway(core.table, clock, parts.uplinkAbort.signal);
  await core.leases.settled();
  uplink.finish();
  deadline.signal.addEventListener("abort", () => parts.uplinkAbort.abort(), { once: true });
  if (!uplink.isLinked || deadline.signal.aborted) parts.uplinkAbort.abort();
  await parts.uplinkEnded;
  cancelDeadline();
  await endParts(parts);
  logger.info("gateway has stopped", { heldReports: core.reports.heldCount });
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
