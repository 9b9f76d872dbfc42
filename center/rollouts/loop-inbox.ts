// SPDX-License-Identifier: Apache-2.0
/**
 * What waits for the rollout loop's next cycle. Everything that changes rollouts goes through here,
 * so the loop is the only writer. Bounded: a link that brings device states faster than the loop
 * stores them waits for room.
 */
import type { AnalysisAnswered } from "../../domain/analysis-step.ts";
import { createStateColumns, type StateColumns } from "../../protocol/link/state-columns.ts";
import type { Joiner } from "./planned-devices.ts";
import type { RolloutRecord } from "./rollout-record.ts";

/** What devices run, as one gateway said it. */
export interface StatesItem {
  readonly kind: "states";
  readonly columns: StateColumns;
  /** What the column of digest indexes counts. */
  readonly digests: readonly string[];
  /** Of the session that each row was said in; −1 = a session that had moved on. */
  readonly fences: Float64Array;
}

/** The device said hello; the states of its slots came before it. */
export interface HelloItem {
  readonly kind: "hello";
  readonly ordinal: number;
  readonly fence: number;
  /** What it says that it understands. */
  readonly features: readonly string[];
}

export interface ReturnItem {
  readonly kind: "return";
  readonly leaseId: string;
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly sent: boolean;
}

/** What came back for a question of a rollout's gate. */
export interface AnswerItem {
  readonly kind: "answer";
  readonly rollout: number;
  readonly answer: AnalysisAnswered;
}

export type CommandAction =
  | "approve"
  | "reject"
  | "start"
  | "pause"
  | "resume"
  | "stop"
  | "rollback";

/** What an operator asks of a rollout; settled after the change is stored. */
export interface CommandItem {
  readonly kind: "command";
  readonly tenant: string;
  readonly name: string;
  readonly action: CommandAction;
  /** For `start`, `approve` and `reject`: exactly this plan; "" = whichever is frozen. */
  readonly planDigest: string;
  readonly actor: string;
  readonly reason: string;
  /** Monotonic. */
  readonly receivedAtMs: number;
  readonly resolve: (record: RolloutRecord) => void;
  readonly reject: (error: unknown) => void;
}

/** Devices that an open rollout's selector names no more, and others that were retired. */
export interface LeaversItem {
  readonly kind: "leavers";
  readonly rollout: number;
  readonly ordinals: readonly number[];
  /** Those that were retired, however far they had come. */
  readonly retired: readonly number[];
}

/** Devices that an open rollout's selector names only since its plan was frozen. */
export interface JoinersItem {
  readonly kind: "joiners";
  readonly rollout: number;
  readonly joiners: readonly Joiner[];
  /** Ordinals of those who stay out, because the plan has windows and none in their time zone. */
  readonly strangers: readonly number[];
}

export type InboxItem =
  | StatesItem
  | HelloItem
  | ReturnItem
  | AnswerItem
  | CommandItem
  | LeaversItem
  | JoinersItem;

/** A reconnect of a gateway's 20,000 devices with two slots each fits twice. */
const MAX_ITEMS = 100_000;

/** The state of one slot of one device. */
export function oneState(state: {
  ordinal: number;
  fence: number;
  slot: number;
  digest: string;
  generation: number;
  healthy: boolean;
}): StatesItem {
  const columns = createStateColumns(1);
  columns.ordinals[0] = state.ordinal;
  columns.generations[0] = state.generation;
  columns.slots[0] = state.slot;
  columns.healthy[0] = state.healthy ? 1 : 0;
  return { kind: "states", columns, digests: [state.digest], fences: Float64Array.of(state.fence) };
}

function rowsOf(item: InboxItem): number {
  return item.kind === "states" ? item.columns.count : 1;
}

export class LoopInbox {
  private items: InboxItem[] = [];
  private rowCount = 0;
  private wakeLoop: (() => void) | null = null;
  private roomWaiters: (() => void)[] = [];
  private awake = false;

  put(item: InboxItem): void {
    this.items.push(item);
    this.rowCount += rowsOf(item);
    this.wake();
  }

  /** What could not be stored, in front of everything that came since. */
  putBack(items: readonly InboxItem[]): void {
    this.items = [...items, ...this.items];
    this.rowCount += items.reduce((sum, item) => sum + rowsOf(item), 0);
  }

  /** Resolves at once while there is room. */
  whenRoom(): Promise<void> {
    if (this.rowCount < MAX_ITEMS) return Promise.resolve();
    return new Promise((resolve) => this.roomWaiters.push(resolve));
  }

  /** Everything that waits; the inbox is empty afterwards. */
  take(): InboxItem[] {
    const items = this.items;
    this.items = [];
    this.rowCount = 0;
    const waiters = this.roomWaiters;
    this.roomWaiters = [];
    for (const resume of waiters) resume();
    return items;
  }

  /** Something happened that the loop should look at soon. */
  wake(): void {
    this.awake = true;
    this.wakeLoop?.();
  }

  /** Resolves at the next wake, or when `timer` says so; one waiter at a time. */
  wait(timer: (fire: () => void) => () => void): Promise<void> {
    if (this.awake) {
      this.awake = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        this.awake = false;
        this.wakeLoop = null;
        resolve();
      };
      const cancel = timer(finish);
      this.wakeLoop = finish;
    });
  }
}
