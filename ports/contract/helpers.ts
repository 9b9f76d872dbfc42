// SPDX-License-Identifier: Apache-2.0
/** What the contract suites share: expectations on failures, and a clock that ticks when read. */
import assert from "node:assert/strict";
import { isMusterError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errors.ts";
import type { Clock } from "../clock.ts";

/** A signal that never aborts. */
export const NEVER: AbortSignal = new AbortController().signal;

/** The promise rejects with a MusterError of this code. */
export async function rejectsWith(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert(isMusterError(error), `not a MusterError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert(error.message.length > 0);
    return true;
  });
}

/** Wall time grows by a millisecond at each look; timers are not for stores. */
export class TickingClock implements Clock {
  #nowMs: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  monotonicMs(): number {
    return this.wallMs();
  }

  wallMs(): number {
    return this.#nowMs++;
  }

  setTimer(): never {
    assert.fail("a store sets no timers");
  }
}
