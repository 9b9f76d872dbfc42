// SPDX-License-Identifier: Apache-2.0
/**
 * What each connected device said in its hello about itself: its agent and its inventory. It goes
 * up once a hello, behind the evidence of the slots which that hello named, for the center takes
 * the slots that were not named as empty; and again when a new stream has granted the session.
 *
 * Devices of one model say the same, so what is said is kept once for all of them, and four bytes a
 * device.
 *
 * Limits: 1,000 devices or 1 MiB of text a batch. A hello has at most 32 KiB, usually 0.3.
 */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../ports/clock.ts";
import type { DeviceHello } from "../../protocol/device/status.ts";
import { DeviceHelloBatchSchema } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { grown } from "../columns.ts";
import { NO_VALUE, SharedValues } from "../shared-values.ts";
import type { SessionObserver } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import { BatchPacer } from "../uplink/batch-pacer.ts";
import type { CenterMessage, UplinkSource, WakeUplink } from "../uplink/uplink-source.ts";

const BATCH_COUNT_MAX = 1_000;
const BATCH_CHARACTERS_MAX: number = 1 << 20;
/** Evidence comes first and waits 20 ms. */
const BATCH_DELAY_MS = 25;

/** Agent, inventory in JSON, features with a space between; kept as JSON. */
type KeptHello = readonly [agent: string, inventoryJson: string, features: string];

export interface HelloTrackerOptions {
  readonly table: SessionTable;
  /** The evidence that goes first. */
  readonly status: { readonly hasPending: boolean };
  readonly clock: Clock;
  readonly wake: WakeUplink;
}

export class HelloTracker implements SessionObserver, UplinkSource {
  readonly #table: SessionTable;
  readonly #status: { readonly hasPending: boolean };
  readonly #pacer: BatchPacer;
  /** By slot, a number of `#sharedHellos`. */
  #hellos: Uint32Array = new Uint32Array(0);
  readonly #sharedHellos = new SharedValues();
  /** Slots to send, each once, in the order of their hellos. */
  readonly #pending = new Set<number>();
  #isLinked = false;

  constructor(options: HelloTrackerOptions) {
    this.#table = options.table;
    this.#status = options.status;
    this.#pacer = new BatchPacer({
      clock: options.clock,
      maxDelayMs: BATCH_DELAY_MS,
      maxCount: BATCH_COUNT_MAX,
      onDue: options.wake,
    });
  }

  /** Hellos that wait to go up. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  take(slot: number, hello: DeviceHello): void {
    const { agent, inventory, features = [] } = hello;
    const kept: KeptHello = [agent, JSON.stringify(inventory), features.join(" ")];
    this.#forget(slot);
    this.#reserve(slot);
    this.#hellos[slot] = this.#sharedHellos.take(JSON.stringify(kept));
    this.#markPending(slot);
  }

  sessionOpened(): void {}

  sessionIdentified(slot: number): void {
    this.#markPending(slot);
  }

  sessionReady(): void {}

  sessionClosed(slot: number): void {
    this.#forget(slot);
    this.#pending.delete(slot);
  }

  linkOpened(): void {
    this.#isLinked = true;
  }

  linkLost(): void {
    this.#isLinked = false;
    this.#pending.clear();
    this.#pacer.stop();
  }

  hurry(): void {
    if (this.#pending.size > 0) this.#pacer.hurry();
  }

  next(): CenterMessage | null {
    if (!this.#pacer.isDue || this.#status.hasPending) return null;
    const value = create(DeviceHelloBatchSchema);
    let characters = 0;
    for (const slot of this.#pending) {
      if (value.ordinals.length === BATCH_COUNT_MAX || characters > BATCH_CHARACTERS_MAX) break;
      this.#pending.delete(slot);
      const kept = this.#hellos[slot] ?? NO_VALUE;
      if (kept === NO_VALUE) continue;
      const [agent, inventoryJson, features] = JSON.parse(
        this.#sharedHellos.value(kept),
      ) as KeptHello;
      value.ordinals.push(this.#table.ordinal[slot] as number);
      value.agents.push(agent);
      value.inventoriesJson.push(inventoryJson);
      value.features.push(features);
      characters += inventoryJson.length;
    }
    this.#pacer.taken(this.#pending.size);
    return value.ordinals.length === 0 ? null : { case: "deviceHello", value };
  }

  /** Not before the center knows whose it is; the grant calls again. */
  #markPending(slot: number): void {
    const isKept = (this.#hellos[slot] ?? NO_VALUE) !== NO_VALUE;
    if (!this.#isLinked || !isKept || this.#table.ordinal[slot] === 0) return;
    this.#pending.add(slot);
    this.#pacer.added(this.#pending.size);
  }

  #forget(slot: number): void {
    const kept = this.#hellos[slot] ?? NO_VALUE;
    if (kept === NO_VALUE) return;
    this.#sharedHellos.release(kept);
    this.#hellos[slot] = NO_VALUE;
  }

  #reserve(slot: number): void {
    if (slot < this.#hellos.length) return;
    const slots = Math.max(this.#table.state.length, slot + 1);
    this.#hellos = grown(this.#hellos, new Uint32Array(slots));
  }
}
