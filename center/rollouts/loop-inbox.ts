// SPDX-License-Identifier: Apache-2.0
/**
 * What waits for the rollout loop's next cycle. Everything that changes rollouts goes through here,
 * so the loop is the only writer. Bounded: a link that brings device states faster than the loop
 * stores them waits for room.
 */
import type { RolloutRecord } from "./rollout-record.ts";

export interface DeviceStateItem {
  readonly kind: "state";
  readonly ordinal: number;
  readonly fence: number;
  readonly slot: number;
  readonly digest: string;
  readonly generation: number;
  readonly healthy: boolean;
}

/** The device said hello; the states of its slots came before it. */
export interface HelloItem {
  readonly kind: "hello";
  readonly ordinal: number;
  readonly fence: number;
}

export interface ReturnItem {
  readonly kind: "return";
  readonly leaseId: string;
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly sent: boolean;
}

export type CommandAction = "start" | "pause" | "resume" | "stop" | "rollback";

/** What an operator asks of a rollout; settled after the change is stored. */
export interface CommandItem {
  readonly kind: "command";
  readonly tenant: string;
  readonly name: string;
  readonly action: CommandAction;
  /** For `start`: exactly this plan; "" = whichever is frozen. */
  readonly planDigest: string;
  readonly actor: string;
  readonly reason: string;
  readonly resolve: (record: RolloutRecord) => void;
  readonly reject: (error: unknown) => void;
}

export type InboxItem = DeviceStateItem | HelloItem | ReturnItem | CommandItem;

/** A reconnect of a gateway's 20,000 devices with two slots each fits twice. */
const MAX_ITEMS = 100_000;

export class LoopInbox {
  private items: InboxItem[] = [];
  private wakeLoop: (() => void) | null = null;
  private roomWaiters: (() => void)[] = [];
  private awake = false;

  put(item: InboxItem): void {
    this.items.push(item);
    this.wake();
  }

  /** What could not be stored, in front of everything that came since. */
  putBack(items: readonly InboxItem[]): void {
    this.items = [...items, ...this.items];
  }

  /** Resolves at once while there is room. */
  whenRoom(): Promise<void> {
    if (this.items.length < MAX_ITEMS) return Promise.resolve();
    return new Promise((resolve) => this.roomWaiters.push(resolve));
  }

  /** Everything that waits; the inbox is empty afterwards. */
  take(): InboxItem[] {
    const items = this.items;
    this.items = [];
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
