// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway of a simulated world: everything behind its listeners. Its files are in memory; its
 * artifact cache is not asked, for devices have their blobs from a table.
 */
import { Buffer } from "node:buffer";
import { create } from "@bufbuild/protobuf";
import { Registry } from "prom-client";
import { buildCore, type GatewayCore } from "../../gateway/core.ts";
import { MqttConnection } from "../../gateway/listeners/mqtt/connection.ts";
import { resolveOptions, type ResolvedGatewayOptions } from "../../gateway/options.ts";
import { Uplink } from "../../gateway/uplink/uplink.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { GatewayHelloSchema } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { LINK_VERSION } from "../../protocol/link/link-version.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import type { CenterWire } from "./center-wire.ts";
import type { DeviceWire } from "./device-wire.ts";
import { memoryDisk } from "./memory-disk.ts";
import { HEARTBEAT_MS } from "./simulated-center.ts";
import { TENANT } from "./simulated-releases.ts";

export interface SimulatedGateway {
  /** A device's TLS handshake is done. */
  accept(device: string, wire: DeviceWire): void;
  stop(): Promise<void>;
}

export async function startSimulatedGateway(given: {
  id: string;
  region: string;
  wire: CenterWire;
  clock: Clock;
  seed: string;
  logger: Logger;
}): Promise<SimulatedGateway> {
  const { id, region, wire, clock, logger } = given;
  const random = new SeededRandom({ seed: given.seed, name: id });
  const options = resolveOptions(
    {
      dataDirectory: `/${id}`,
      identityDirectory: `/${id}/identity`,
      gatewayId: id,
      region,
      ip: "127.0.0.1",
      centerAddress: "center:50051",
      heartbeatIntervalMs: HEARTBEAT_MS,
      version: "simulated",
      logger,
    },
    { clock, random },
  );
  const core = buildCore({
    options,
    registry: new Registry(),
    bootId: id,
    disk: memoryDisk(),
    connectCenter: () => wire.connect(),
  });
  await core.journal.restore(clock.monotonicMs());
  await core.trust.open();
  const uplink = uplinkOf(core, options);
  core.presence.start(core.lifecycle);
  core.leases.start();
  const stop = new AbortController();
  const ended = uplink.run(stop.signal);
  return {
    accept: (device, deviceWire) => {
      const identity = { role: "device", tenant: TENANT, device } as const;
      const peer = { identity, serial: `serial-${device}` };
      const { gateway: transport } = deviceWire;
      const connection = new MqttConnection({ context: core.mqttContext, transport, peer });
      if (connection.begin()) deviceWire.open(connection);
    },
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

function uplinkOf(core: GatewayCore, options: ResolvedGatewayOptions): Uplink {
  const { gatewayId: gateway, region, ip, version, clock, random, logger } = options;
  const incarnation = Buffer.from(random.bytes(16)).toString("hex");
  const startedAtMs = BigInt(Math.round(clock.wallMs()));
  return new Uplink({
    connect: core.connectCenter,
    hello: () =>
      create(GatewayHelloSchema, {
        gateway,
        region,
        ip,
        services: [],
        startedAtMs,
        incarnation,
        version,
        linkVersion: LINK_VERSION,
        heldLeaseIds: [...core.leaseTable.heldLeaseIds()],
      }),
    sources: core.sources,
    welcomed: (welcome) => {
      core.heartbeat.changeInterval(welcome.heartbeatIntervalMs);
      core.trust.refreshSoon();
    },
    handle: (message) => core.messages.handle(message),
    wakening: core.wakening,
    metrics: core.metrics,
    clock,
    random,
    logger,
  });
}
