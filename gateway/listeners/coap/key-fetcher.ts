// SPDX-License-Identifier: Apache-2.0
/**
 * Gets the keys of devices that are heard of for the first time, and further numbers of those that
 * use theirs up, from the center: in batches, while the requests that need them wait.
 *
 *     asked → (batched: 1,000 or 20 ms) → under way → the request goes on | is forgotten
 *
 * Limits: 20,000 requests wait, one for each device (the others are sent again by their devices);
 * two batches are under way; an id that the center does not know is not asked for again for a
 * minute, 10,000 of them; numbers are asked for twice a minute at most. While the center is away
 * requests are forgotten: devices send again.
 */
import type { Clock } from "../../../ports/clock.ts";
import type { Logger } from "../../../ports/logger.ts";
import { BatchPacer } from "../../uplink/batch-pacer.ts";
import type { ReceivedRequest } from "./coap-peers.ts";
import type { DeviceContext, KeyTable } from "./key-table.ts";
import type { KeySource } from "./oscore-peers.ts";
import { RefusedDevices } from "./refused-devices.ts";

export const MAX_WAITING_REQUESTS = 20_000;
export const MAX_BATCH_IDS = 1_000;
const MAX_BATCHES = 2;
const BATCH_DELAY_MS = 20;
const REFILL_INTERVAL_MS = 30_000;

/** Asks the center; a context for each id, in order, null where there is none. */
export type FetchContexts = (
  senderIds: readonly Buffer[],
  signal: AbortSignal,
) => Promise<readonly (DeviceContext | null)[]>;

export interface KeyFetcherOptions {
  readonly keys: KeyTable;
  readonly fetch: FetchContexts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The keys of its sender are here. */
  readonly onKeys: (request: ReceivedRequest) => void;
  /** The keys of a row are not those of the center any more: end what it has. */
  readonly onChanged: (row: number) => void;
}

interface Waiting {
  readonly senderId: Buffer;
  /** null: the keys are here, numbers are needed. */
  readonly request: ReceivedRequest | null;
}

export class KeyFetcher implements KeySource {
  readonly #options: KeyFetcherOptions;
  readonly #pacer: BatchPacer;
  readonly #abort = new AbortController();
  /** By sender id in hex: not asked yet, and under way. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #underWay = new Set<string>();
  /** Ids of which the center knows nothing. */
  readonly #unknown = new RefusedDevices();
  readonly #refilledAtMs = new Map<number, number>();
  #batchCount = 0;

  constructor(options: KeyFetcherOptions) {
    this.#options = options;
    this.#pacer = new BatchPacer({
      clock: options.clock,
      maxDelayMs: BATCH_DELAY_MS,
      maxCount: MAX_BATCH_IDS,
      onDue: () => this.#send(),
    });
  }

  get waitingCount(): number {
    return this.#waiting.size + this.#underWay.size;
  }

  ask(senderId: Buffer, request: ReceivedRequest): "unknown" | "asked" {
    const id = senderId.toString("hex");
    if (this.#unknown.has(id, this.#options.clock.monotonicMs())) return "unknown";
    this.#add(id, { senderId: Buffer.from(senderId), request });
    return "asked";
  }

  /** The numbers of a row come to their end. */
  refill(row: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    const lastMs = this.#refilledAtMs.get(row) ?? -Infinity;
    if (nowMs - lastMs < REFILL_INTERVAL_MS) return;
    const senderId = Buffer.from(this.#options.keys.senderIdOf(row));
    if (!this.#add(senderId.toString("hex"), { senderId, request: null })) return;
    this.#refilledAtMs.set(row, nowMs);
    if (this.#refilledAtMs.size <= MAX_WAITING_REQUESTS) return;
    for (const oldest of this.#refilledAtMs.keys()) {
      this.#refilledAtMs.delete(oldest);
      return;
    }
  }

  stop(): void {
    this.#pacer.stop();
    this.#abort.abort();
  }

  #add(id: string, waiting: Waiting): boolean {
    if (this.#waiting.has(id) || this.#underWay.has(id)) return false;
    if (this.waitingCount >= MAX_WAITING_REQUESTS) return false;
    this.#waiting.set(id, waiting);
    this.#pacer.added(this.#waiting.size);
    return true;
  }

  #send(): void {
    while (this.#batchCount < MAX_BATCHES && this.#waiting.size > 0) {
      const batch = new Map<string, Waiting>();
      for (const [id, waiting] of this.#waiting) {
        if (batch.size === MAX_BATCH_IDS) break;
        batch.set(id, waiting);
        this.#waiting.delete(id);
        this.#underWay.add(id);
      }
      this.#batchCount += 1;
      void this.#fetch(batch);
    }
    this.#pacer.stop();
  }

  async #fetch(batch: ReadonlyMap<string, Waiting>): Promise<void> {
    const { fetch, logger } = this.#options;
    const waiting = [...batch.values()];
    try {
      const senderIds = waiting.map(({ senderId }) => senderId);
      const contexts = await fetch(senderIds, this.#abort.signal);
      for (const id of batch.keys()) this.#underWay.delete(id);
      waiting.forEach((one, index) => this.#take(one, contexts[index] ?? null));
    } catch (error) {
      for (const id of batch.keys()) this.#underWay.delete(id);
      if (!this.#abort.signal.aborted) {
        logger.warn("keys of devices could not be fetched", { count: batch.size, error });
      }
    }
    this.#batchCount -= 1;
    if (!this.#abort.signal.aborted) this.#send();
  }

  #take({ senderId, request }: Waiting, context: DeviceContext | null): void {
    const { keys, clock, onChanged, onKeys } = this.#options;
    const nowMs = clock.monotonicMs();
    const row = keys.find(senderId);
    if (row !== -1 && (context === null || keys.hasOtherKeys(row, context.keys))) {
      onChanged(row);
      keys.forget(row);
    }
    if (context === null) this.#unknown.add(senderId.toString("hex"), nowMs);
    else if (keys.add(context, nowMs) === -1) return;
    // Also one that nobody knows: it is answered.
    if (request !== null) onKeys(request);
  }
}
