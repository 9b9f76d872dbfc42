// SPDX-License-Identifier: Apache-2.0
/**
 * What each connected device said in its hello about itself: its agent and its inventory. It goes
 * up once a hello, behind the evidence of the slots which that hello named, for the center takes
 * the slots that were not named as empty; and again when a new stream has granted the session.
 *
 * Limits: 1,000 devices or 1 MiB of text a batch. A hello has at most 32 KiB, usually 0.3.
 */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../ports/clock.ts";
import type { DeviceHello } from "../../protocol/device/status.ts";
import { DeviceHelloBatchSchema } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { SessionObserver } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import { BatchPacer } from "../uplink/batch-pacer.ts";
import type { CenterMessage, UplinkSource, WakeUplink } from "../uplink/uplink-source.ts";

const BATCH_COUNT_MAX = 1_000;
const BATCH_CHARACTERS_MAX: number = 1 << 20;
/** Evidence comes first and waits 20 ms. */
const BATCH_DELAY_MS = 25;

interface KeptHello {
  readonly agent: string;
  readonly inventoryJson: string;
  /** With a space between. */
  readonly features: string;
}

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
  /** By slot. */
  readonly #hellos = new Map<number, KeptHello>();
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

  take(slot: number, hello: DeviceHello): void {
    const { agent, inventory, features = [] } = hello;
    const inventoryJson = JSON.stringify(inventory);
    this.#hellos.set(slot, { agent, inventoryJson, features: features.join(" ") });
    this.#markPending(slot);
  }

  sessionOpened(): void {}

  sessionIdentified(slot: number): void {
    this.#markPending(slot);
  }

  sessionReady(): void {}

  sessionClosed(slot: number): void {
    this.#hellos.delete(slot);
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
      const hello = this.#hellos.get(slot);
      if (hello === undefined) continue;
      value.ordinals.push(this.#table.ordinal[slot] as number);
      value.agents.push(hello.agent);
      value.inventoriesJson.push(hello.inventoryJson);
      value.features.push(hello.features);
      characters += hello.inventoryJson.length;
    }
    this.#pacer.taken(this.#pending.size);
    return value.ordinals.length === 0 ? null : { case: "deviceHello", value };
  }

  /** Not before the center knows whose it is; the grant calls again. */
  #markPending(slot: number): void {
    if (!this.#isLinked || !this.#hellos.has(slot) || this.#table.ordinal[slot] === 0) return;
    this.#pending.add(slot);
    this.#pacer.added(this.#pending.size);
  }
}
