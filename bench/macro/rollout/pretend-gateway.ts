// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway with pretended devices behind it, on the real stream: the gateway's own connector, the
 * real messages. It announces its devices, says what they run, takes leases, and lets each device
 * of a lease report three times, a random one of those in flight at a time. Like a real gateway's,
 * reports go up in batches of 1,000 or after 100 ms, and are kept until they are acknowledged.
 *
 * Flat columns by local device; the center is measured, not the bench.
 */
import { create } from "@bufbuild/protobuf";
import type { ConnectCenter } from "../../../gateway/uplink/center-client.ts";
import { packMessage } from "../../../gateway/uplink/packed-messages.ts";
import type { CenterMessage } from "../../../gateway/uplink/uplink-source.ts";
import { Wakening } from "../../../gateway/uplink/wakening.ts";
import { delay, type Clock } from "../../../ports/clock.ts";
import {
  ConnectRequestSchema,
  DeviceHelloBatchSchema,
  DeviceStateBatchSchema,
  GatewayHelloSchema,
  ReportBatchSchema,
  SessionOpenBatchSchema,
  type ConnectRequest,
  type ConnectResponse,
  type PlanLease,
  type ReportBatch,
  type SessionGrantBatch,
} from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { LINK_VERSION } from "../../../protocol/link/link-version.ts";
import { REPORT_PHASES } from "../../../protocol/device/report.ts";
import { DIGEST_AFTER, DIGEST_BEFORE, TENANT } from "./bench-options.ts";
import { AGENT, deviceId, INVENTORY } from "./fleet-store.ts";

const BATCH_COUNT = 1_000;
const BATCH_DELAY_MS = 100;
const EVIDENCE_DELAY_MS = 20;
const HEARTBEAT_MS = 2_000;
const RETRY_MS = 200;
/** What each device reports, in its own order. */
const PHASES = [REPORT_PHASES.accepted, REPORT_PHASES.downloaded, REPORT_PHASES.installed];

export interface PretendGatewayOptions {
  readonly id: string;
  readonly region: string;
  readonly connect: ConnectCenter;
  /** Ordinals firstOrdinal … firstOrdinal + deviceCount − 1 are its devices. */
  readonly firstOrdinal: number;
  readonly deviceCount: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

export class PretendGateway {
  readonly #options: PretendGatewayOptions;
  readonly #wakening = new Wakening();
  /** Columns by local device: its newest generation, its place in the plan, reports made of it. */
  readonly #generation: Int32Array;
  readonly #position: Uint32Array;
  readonly #made: Uint8Array;
  #rollout = 0;
  /** Local devices with reports to make, in no order. */
  readonly #inFlight: Uint32Array;
  #inFlightCount = 0;
  /** Reports that they can still make. */
  #leftCount = 0;
  /** Local devices whose evidence waits to go up. */
  #evidence: number[] = [];
  #waiting: CenterMessage[] = [];
  readonly #unacknowledged: ReportBatch[] = [];
  #lastSequence = 0n;
  #isLinked = false;
  #linkVersion = 0;
  #announcedCount = 0;
  /** Monotonic: when what waits goes up although its batch is not full. */
  #reportsDueAtMs = Infinity;
  #evidenceDueAtMs = Infinity;
  #greetedCount = 0;
  reportCount = 0;

  constructor(options: PretendGatewayOptions) {
    this.#options = options;
    this.#generation = new Int32Array(options.deviceCount);
    this.#position = new Uint32Array(options.deviceCount);
    this.#made = new Uint8Array(options.deviceCount);
    this.#inFlight = new Uint32Array(options.deviceCount);
  }

  get deviceCount(): number {
    return this.#options.deviceCount;
  }

  /** Every device was granted a session on the present stream and said hello. */
  get isReady(): boolean {
    return this.#isLinked && this.#greetedCount === this.#options.deviceCount;
  }

  /** Keeps a stream open until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const connection = this.#options.connect();
      const own = new AbortController();
      const streamSignal = AbortSignal.any([signal, own.signal]);
      try {
        const requests = this.#requests(streamSignal);
        for await (const message of connection.client.connect(requests, { signal: streamSignal })) {
          this.#take(message);
        }
      } catch {
        // The center was killed, or the bench is over: the loop decides.
      }
      own.abort();
      connection.close();
      this.#isLinked = false;
      await delay(this.#options.clock, RETRY_MS, signal).catch(() => undefined);
    }
  }

  async *#requests(signal: AbortSignal): AsyncGenerator<ConnectRequest> {
    yield create(ConnectRequestSchema, { kind: { case: "hello", value: this.#hello() } });
    const { clock } = this.#options;
    let heartbeatAtMs = clock.monotonicMs() + HEARTBEAT_MS;
    while (!signal.aborted) {
      const message = this.#isLinked ? this.#next() : null;
      if (message !== null) {
        const kind = packMessage(message, this.#linkVersion);
        yield create(ConnectRequestSchema, { kind });
      } else if (this.#isLinked && clock.monotonicMs() >= heartbeatAtMs) {
        heartbeatAtMs = clock.monotonicMs() + HEARTBEAT_MS;
        const connectedDevices = this.#options.deviceCount;
        const heartbeat = { sequence: 1n, connectedDevices, eventLoopLagMs: 0, heldReports: 0 };
        yield create(ConnectRequestSchema, { kind: { case: "heartbeat", value: heartbeat } });
      } else {
        const atMs = Math.min(heartbeatAtMs, this.#reportsDueAtMs, this.#evidenceDueAtMs);
        const restMs = Math.max(1, Math.ceil(atMs - clock.monotonicMs()));
        const cancel = clock.setTimer(restMs, () => this.#wakening.wake());
        await this.#wakening.wait(signal);
        cancel();
      }
    }
  }

  #hello(): ReturnType<typeof create<typeof GatewayHelloSchema>> {
    const { id, region } = this.#options;
    return create(GatewayHelloSchema, {
      gateway: id,
      region,
      ip: "127.0.0.1",
      version: "0.1.0",
      linkVersion: LINK_VERSION,
    });
  }

  #take({ kind }: ConnectResponse): void {
    switch (kind.case) {
      case "welcome":
        this.#link(kind.value.linkVersion);
        break;
      case "sessionGrant":
        this.#granted(kind.value);
        break;
      case "planLease":
        this.#lease(kind.value);
        break;
      case "reportAcknowledgement": {
        const isDone = (batch: ReportBatch): boolean =>
          batch.batchSequence <= kind.value.batchSequence;
        while (this.#unacknowledged[0] !== undefined && isDone(this.#unacknowledged[0])) {
          this.#unacknowledged.shift();
        }
        break;
      }
      default:
        return;
    }
    this.#wakening.wake();
  }

  /** As after any (re)connect: everybody is announced, what was not acknowledged goes up again. */
  #link(linkVersion: number): void {
    this.#linkVersion = linkVersion;
    this.#isLinked = true;
    this.#announcedCount = 0;
    this.#greetedCount = 0;
    this.#evidence = [];
    this.#waiting = this.#unacknowledged.map((value) => ({ case: "reports", value }));
  }

  #granted(batch: SessionGrantBatch): void {
    const hellos = create(DeviceHelloBatchSchema);
    for (const local of batch.localIds) {
      this.#evidence.push(local);
      hellos.ordinals.push(this.#options.firstOrdinal + local);
      hellos.agents.push(AGENT);
      hellos.inventoriesJson.push(JSON.stringify(INVENTORY));
    }
    // Evidence first: a slot that a hello does not name would be taken for empty.
    while (this.#evidence.length > 0) this.#waiting.push(this.#nextEvidence());
    this.#waiting.push({ case: "deviceHello", value: hellos });
    this.#greetedCount += batch.localIds.length;
  }

  #lease(lease: PlanLease): void {
    this.#rollout = lease.rollout;
    lease.ordinals.forEach((ordinal, index) => {
      const local = ordinal - this.#options.firstOrdinal;
      const generation = lease.generations[index] ?? 0;
      if (this.#generation[local] === generation) return; // it has this offer already
      this.#generation[local] = generation;
      this.#position[local] = lease.positions[index] ?? 0;
      this.#made[local] = 0;
      this.#inFlight[this.#inFlightCount++] = local;
      this.#leftCount += PHASES.length;
    });
    const dueAtMs = this.#options.clock.monotonicMs() + BATCH_DELAY_MS;
    this.#reportsDueAtMs = Math.min(this.#reportsDueAtMs, dueAtMs);
  }

  #next(): CenterMessage | null {
    const { deviceCount, clock } = this.#options;
    if (this.#announcedCount < deviceCount) return this.#nextSessions();
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting;
    const nowMs = clock.monotonicMs();
    const hasEvidence = this.#evidence.length > 0 && nowMs >= this.#evidenceDueAtMs;
    if (hasEvidence || this.#evidence.length >= BATCH_COUNT) return this.#nextEvidence();
    const hasReports = this.#leftCount > 0 && nowMs >= this.#reportsDueAtMs;
    return hasReports || this.#leftCount >= BATCH_COUNT ? this.#nextReports() : null;
  }

  #nextSessions(): CenterMessage {
    const { deviceCount, firstOrdinal } = this.#options;
    const batch = create(SessionOpenBatchSchema, { snapshotBegin: this.#announcedCount === 0 });
    const end = Math.min(deviceCount, this.#announcedCount + BATCH_COUNT);
    for (let local = this.#announcedCount; local < end; local++) {
      batch.localIds.push(local);
      batch.tenants.push(TENANT);
      batch.devices.push(deviceId(firstOrdinal + local));
      batch.certificateSerials.push(`0a${local.toString(16)}`);
    }
    this.#announcedCount = end;
    batch.snapshotEnd = end === deviceCount;
    return { case: "sessionOpen", value: batch };
  }

  #nextEvidence(): CenterMessage {
    const batch = create(DeviceStateBatchSchema);
    for (const local of this.#evidence.splice(0, BATCH_COUNT)) {
      const isDone = this.#made[local] === PHASES.length;
      batch.ordinals.push(this.#options.firstOrdinal + local);
      batch.slots.push("app");
      batch.digests.push(isDone ? DIGEST_AFTER : DIGEST_BEFORE);
      batch.generations.push(isDone ? (this.#generation[local] ?? 0) : 0);
      batch.healthy.push(true);
    }
    const isEmpty = this.#evidence.length === 0;
    this.#evidenceDueAtMs = isEmpty ? Infinity : this.#options.clock.monotonicMs();
    return { case: "deviceState", value: batch };
  }

  /** A batch of reports, each of a random device among those in flight. */
  #nextReports(): CenterMessage {
    const { firstOrdinal, random, clock } = this.#options;
    const batch = create(ReportBatchSchema, { batchSequence: ++this.#lastSequence });
    const atMs = BigInt(Math.round(clock.wallMs()));
    while (batch.ordinals.length < BATCH_COUNT && this.#inFlightCount > 0) {
      const pick = Math.floor(random() * this.#inFlightCount);
      const local = this.#inFlight[pick] ?? 0;
      const made = (this.#made[local] ?? 0) + 1;
      this.#made[local] = made;
      batch.ordinals.push(firstOrdinal + local);
      batch.rollouts.push(this.#rollout);
      batch.positions.push(this.#position[local] ?? 0);
      batch.generations.push(this.#generation[local] ?? 0);
      batch.sequences.push(made);
      batch.phases.push(PHASES[made - 1] ?? 0);
      batch.deviceTimesMs.push(atMs);
      if (made < PHASES.length) continue;
      this.#inFlight[pick] = this.#inFlight[--this.#inFlightCount] ?? 0;
      this.#evidence.push(local);
    }
    const nowMs = clock.monotonicMs();
    this.#leftCount -= batch.ordinals.length;
    this.#reportsDueAtMs = this.#leftCount === 0 ? Infinity : nowMs + BATCH_DELAY_MS;
    if (this.#evidence.length > 0) {
      this.#evidenceDueAtMs = Math.min(this.#evidenceDueAtMs, nowMs + EVIDENCE_DELAY_MS);
    }
    this.#unacknowledged.push(batch);
    this.reportCount += batch.ordinals.length;
    return { case: "reports", value: batch };
  }
}
