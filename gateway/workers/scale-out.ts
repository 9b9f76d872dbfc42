// SPDX-License-Identifier: Apache-2.0
/**
 * How many workers a gateway needs, by the CPU that they use. Above three quarters of a core each,
 * for a while, one more; when one less would still be below a half each, for a longer while, one
 * less. In between nothing changes, and after each change the time begins anew: each costs devices
 * a reconnect.
 */

/** Of one core, by each worker on average: above it a burst has no room. */
const BUSY = 0.75;
/** What each would use with one worker less: well below what would bring it back. */
const IDLE = 0.5;

export interface ScaleOutOptions {
  /** Never fewer than these; also how many there are at first. */
  readonly least: number;
  /** Never more. */
  readonly most: number;
  /** How long they must be busy for one more, ms. */
  readonly busyForMs: number;
  /** How long they must be idle for one less, ms. */
  readonly idleForMs: number;
}

/** What one worker has used since it started. */
export interface WorkerCpu {
  /** Tells it from the one that was in its place before. */
  readonly pid: number;
  readonly cpuSeconds: number;
}

export class ScaleOut {
  readonly #least: number;
  readonly #most: number;
  readonly #busyForMs: number;
  readonly #idleForMs: number;
  #before: ReadonlyMap<number, number> = new Map();
  #beforeMs = 0;
  #busySinceMs: number | null = null;
  #idleSinceMs: number | null = null;

  constructor({ least, most, busyForMs, idleForMs }: ScaleOutOptions) {
    this.#least = least;
    this.#most = most;
    this.#busyForMs = busyForMs;
    this.#idleForMs = idleForMs;
  }

  /** How many workers there should be. One that does not answer is missing, and too busy to. */
  wanted(workers: readonly WorkerCpu[], count: number, nowMs: number): number {
    const use = this.#useSinceLast(workers, count, nowMs);
    this.#beforeMs = nowMs;
    this.#before = new Map(workers.map(({ pid, cpuSeconds }) => [pid, cpuSeconds]));
    if (use === null) return count;
    const isBusy = use > BUSY * count && count < this.#most;
    const isIdle = use < IDLE * (count - 1) && count > this.#least;
    this.#busySinceMs = isBusy ? (this.#busySinceMs ?? nowMs) : null;
    this.#idleSinceMs = isIdle ? (this.#idleSinceMs ?? nowMs) : null;
    if (hasLasted(this.#busySinceMs, this.#busyForMs, nowMs)) return this.#changed(count + 1);
    if (hasLasted(this.#idleSinceMs, this.#idleForMs, nowMs)) return this.#changed(count - 1);
    return count;
  }

  #changed(count: number): number {
    this.#busySinceMs = null;
    this.#idleSinceMs = null;
    return count;
  }

  /** Cores that all of them together use; null the first time. */
  #useSinceLast(workers: readonly WorkerCpu[], count: number, nowMs: number): number | null {
    const passedSeconds = (nowMs - this.#beforeMs) / 1_000;
    if (this.#before.size === 0 || passedSeconds <= 0) return null;
    let use = count - workers.length;
    for (const { pid, cpuSeconds } of workers) {
      const before = this.#before.get(pid);
      if (before !== undefined) use += (cpuSeconds - before) / passedSeconds;
    }
    return use;
  }
}

function hasLasted(sinceMs: number | null, forMs: number, nowMs: number): boolean {
  return sinceMs !== null && nowMs - sinceMs >= forMs;
}
