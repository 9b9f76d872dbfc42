// SPDX-License-Identifier: Apache-2.0
/**
 * A center as far as a gateway's speed depends on it: the real stream over mutual TLS, every device
 * granted, reports appended to a real EventLog before they are acknowledged, a command as plan
 * leases of 1,000 signed offers. It keeps nothing else, so that it takes little of a processor that
 * the gateway could use.
 */
import { createSecureServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { LinkHub } from "../../../center/link/link-hub.ts";
import { LinkStream } from "../../../center/link/link-stream.ts";
import { packedReports } from "../../../center/ingest/report-record.ts";
import type { OfferSigner } from "../../../center/identity/offer-signer.ts";
import type { LeaseMessage } from "../../../center/rollouts/offer-desk.ts";
import { NO_BANDWIDTH } from "../../../domain/bandwidth.ts";
import type { EventLog } from "../../../ports/event-log.ts";
import type { Random } from "../../../ports/random.ts";
import {
  NONCE_BYTES,
  offerRoot,
  offerTemplate,
  packDeviceIds,
  type OfferColumns,
} from "../../../protocol/device/offer-batch.ts";
import {
  GatewayLink,
  type ConnectRequest,
  type ConnectResponse,
  type PackedReportBatch,
  type SessionOpenBatch,
} from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { LINK_VERSION } from "../../../protocol/link/link-version.ts";
import { listen } from "../../../runtime/listen.ts";

const GATEWAY_NUMBER = 1;
const HEARTBEAT_MS = 5_000;
const LEASE_COUNT = 1_000;
const LEASE_LIFETIME_MS = 600_000;

export interface PretendCenterOptions {
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly log: EventLog;
  readonly signer: OfferSigner;
  readonly random: Random;
}

export class PretendCenter {
  readonly #options: PretendCenterOptions;
  readonly #hub = new LinkHub({ leaseLifetimeMs: LEASE_LIFETIME_MS });
  #stream: LinkStream | null = null;
  #nextFence = 1n;
  #rollout = 0;
  /** Sessions granted, reports on disk. */
  grantedCount = 0;
  storedReports = 0;

  constructor(options: PretendCenterOptions) {
    this.#options = options;
  }

  /** Resolves with the port. */
  start(): Promise<number> {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(GatewayLink, {
          connect: (requests, context) => this.#serve(requests, context.signal),
        });
      },
    });
    const minVersion = "TLSv1.3" as const;
    const tls = { ...this.#options.tls, requestCert: true, minVersion };
    return listen(createSecureServer(tls, handler), {
      what: "the pretended center",
      host: "127.0.0.1",
      port: 0,
    });
  }

  /** The leases of one command to devices 0 … deviceCount − 1, ready to be sent. */
  prepareCommand(deviceCount: number, wallMs: number): readonly LeaseMessage[] {
    this.#rollout += 1;
    const leases: LeaseMessage[] = [];
    for (let first = 0; first < deviceCount; first += LEASE_COUNT) {
      leases.push(this.#lease(first, Math.min(LEASE_COUNT, deviceCount - first), wallMs));
    }
    return leases;
  }

  send(leases: readonly LeaseMessage[]): void {
    for (const lease of leases) this.#hub.sendLease(lease);
  }

  async *#serve(
    requests: AsyncIterable<ConnectRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<ConnectResponse> {
    const stream = new LinkStream("gw-1", GATEWAY_NUMBER, LINK_VERSION);
    this.#stream = stream;
    this.#hub.attach(stream);
    stream.send({
      case: "welcome",
      value: {
        gatewayNumber: GATEWAY_NUMBER,
        heartbeatIntervalMs: HEARTBEAT_MS,
        missesAllowed: 3,
        centerIncarnation: "pretended",
        linkVersion: LINK_VERSION,
      },
    });
    const receiving = this.#receive(requests, signal).finally(() => stream.end());
    yield* stream.outgoing();
    await receiving;
  }

  async #receive(requests: AsyncIterable<ConnectRequest>, signal: AbortSignal): Promise<void> {
    try {
      for await (const { kind } of requests) {
        if (kind.case === "sessionOpen") this.#grant(kind.value);
        else if (kind.case === "packedReports") await this.#store(kind.value, signal);
      }
    } catch {
      // The gateway was ended: so is this.
    }
  }

  #grant(batch: SessionOpenBatch): void {
    if (batch.localIds.length === 0) return;
    this.grantedCount += batch.localIds.length;
    this.#stream?.send({
      case: "sessionGrant",
      value: {
        localIds: batch.localIds,
        // `device-00041` is ordinal 42.
        ordinals: batch.devices.map((device) => Number(device.slice(device.indexOf("-") + 1)) + 1),
        fences: batch.localIds.map(() => this.#nextFence++),
        refusals: [],
        sites: [],
      },
    });
  }

  async #store(batch: PackedReportBatch, signal: AbortSignal): Promise<void> {
    const { batchSequence, columns, details } = batch;
    const set = packedReports(columns, details);
    if (set === null) throw new Error("a batch of reports is not whole");
    const { log } = this.#options;
    await log.append(set.records(log.partitionCount), { signal });
    this.storedReports += set.count;
    this.#stream?.send({ case: "reportAcknowledgement", value: { batchSequence } });
  }

  #lease(first: number, count: number, wallMs: number): LeaseMessage {
    const { random, signer } = this.#options;
    const indexes = Array.from({ length: count }, (_, index) => first + index);
    const ids = indexes.map((index) => Buffer.from(`device-${String(index).padStart(5, "0")}`));
    const columns: OfferColumns = {
      templates: [this.#template(wallMs)],
      templateIndexes: [],
      positions: indexes,
      generations: indexes.map(() => this.#rollout),
      devices: packDeviceIds(ids),
      nonces: random.bytes(count * NONCE_BYTES),
    };
    const rootHash = offerRoot(columns);
    if (rootHash === null) throw new Error("the columns of a lease do not belong together");
    return {
      lease: {
        id: `bench-${this.#rollout}-${first}`,
        gatewayNumber: GATEWAY_NUMBER,
        rolloutNumber: this.#rollout,
        stopEpoch: 0,
        positions: indexes,
        generations: indexes.map(() => this.#rollout),
      },
      ordinals: indexes.map((index) => index + 1),
      columns,
      signed: signer.signHead({ rootHash, leafCount: count }, wallMs),
      bandwidth: NO_BANDWIDTH,
    };
  }

  #template(wallMs: number): readonly string[] {
    const hole = Buffer.from(this.#options.random.bytes(NONCE_BYTES)).toString("base64url");
    return offerTemplate(
      {
        type: "muster.offer/v1",
        tenant: "default",
        device: hole,
        rollout: this.#rollout,
        rolloutName: `command-${this.#rollout}`,
        position: hole,
        generation: hole,
        stopEpoch: 0,
        slot: "command",
        action: "run",
        command: {
          work: { kind: "run", run: ["systemctl", "restart", "telemetry"] },
          timeoutMs: 60_000,
          outputLimitBytes: 65_536,
        },
        nonce: hole,
        issuedAtMs: wallMs,
        expiresAtMs: wallMs + LEASE_LIFETIME_MS,
      },
      hole,
    );
  }
}
