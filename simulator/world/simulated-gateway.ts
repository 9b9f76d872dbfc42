// SPDX-License-Identifier: Apache-2.0
/**
 * One life of a gateway of a simulated world: everything behind its listeners. Its artifact cache
 * is not asked, for devices have their blobs from a table.
 */
import { Buffer } from "node:buffer";
import { create } from "@bufbuild/protobuf";
import { Registry } from "prom-client";
import { buildCore, type GatewayCore } from "../../gateway/core.ts";
import type { Disk } from "../../gateway/disk.ts";
import { MqttConnection } from "../../gateway/listeners/mqtt/connection.ts";
import { resolveOptions, type ResolvedGatewayOptions } from "../../gateway/options.ts";
import type { CenterConnection } from "../../gateway/uplink/center-client.ts";
import { Uplink } from "../../gateway/uplink/uplink.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import { GatewayHelloSchema } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { LINK_VERSION } from "../../protocol/link/link-version.ts";
import type { CenterWire } from "./center-wire.ts";
import type { DeviceWire } from "./device-wire.ts";
import type { Life } from "./life.ts";
import { HEARTBEAT_MS } from "./simulated-center.ts";
import { TENANT } from "./simulated-releases.ts";

/** In which silence is found out: at its 2 s most of a simulated day would be looking. */
const DETECTION_MS = 20_000;

export interface SimulatedGateway {
  readonly life: Life;
  /** A device's TLS handshake is done. */
  accept(device: string, wire: DeviceWire): void;
}

/** Runs from now on, to the end of its life. */
export async function startSimulatedGateway(given: {
  life: Life;
  region: string;
  wire: CenterWire;
  /** As this life sees its disk. */
  disk: Disk;
  random: Random;
  /** New with every start of the machine. */
  bootId: string;
  logger: Logger;
}): Promise<SimulatedGateway> {
  const { life, region, wire, disk, random, bootId, logger } = given;
  const options = resolveOptions(
    {
      dataDirectory: `/${life.who}`,
      identityDirectory: `/${life.who}/identity`,
      gatewayId: life.who,
      region,
      ip: "127.0.0.1",
      centerAddress: "center:50051",
      heartbeatIntervalMs: HEARTBEAT_MS,
      detectionMs: DETECTION_MS,
      version: "simulated",
      logger,
    },
    { clock: life, random },
  );
  const registry = new Registry();
  const connectCenter = (): CenterConnection => wire.connect();
  // Virtual time passes while nothing is done.
  const loopUse = (): number => 0;
  const core = buildCore({ options, registry, bootId, disk, connectCenter, loopUse });
  await core.journal.restore(life.monotonicMs());
  await core.trust.open();
  const uplink = uplinkOf(core, options);
  core.presence.start(core.lifecycle);
  core.leases.start();
  void uplink.run(new AbortController().signal);
  return {
    life,
    accept: (device, deviceWire) => {
      const identity = { role: "device", tenant: TENANT, device } as const;
      const peer = { identity, serial: `serial-${device}` };
      const { gateway: transport } = deviceWire;
      const connection = new MqttConnection({ context: core.mqttContext, transport, peer });
      if (connection.begin()) deviceWire.open(connection);
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
