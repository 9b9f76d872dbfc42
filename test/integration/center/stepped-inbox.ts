// SPDX-License-Identifier: Apache-2.0
/**
 * An inbox that lets the rollout loop go on when the test says so: one cycle a step, and nothing in
 * between, so that every test sees the same cycles.
 */
import { LoopInbox } from "../../../center/rollouts/loop-inbox.ts";

export class SteppedInbox extends LoopInbox {
  private resume: (() => void) | null = null;
  private idleWaiters: (() => void)[] = [];

  /** The loop is at rest: it has done all that the last step let it do. */
  override wait(): Promise<void> {
    for (const waiter of this.idleWaiters.splice(0)) waiter();
    return new Promise((resolve) => {
      this.resume = resolve;
    });
  }

  override wake(): void {}

  whenIdle(): Promise<void> {
    if (this.resume !== null) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** Begins a cycle. */
  go(): void {
    const { resume } = this;
    this.resume = null;
    resume?.();
  }
}
