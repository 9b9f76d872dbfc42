// SPDX-License-Identifier: Apache-2.0
/**
 * Who waits for a rollout to change: level-triggered, so a slow watcher skips states and never
 * loses the last.
 */
export class RolloutWatchers {
  private readonly waiting = new Map<string, Set<() => void>>();
  private readonly versions = new Map<string, number>();

  changed(key: string): void {
    this.versions.set(key, this.versionOf(key) + 1);
    const waiters = this.waiting.get(key);
    this.waiting.delete(key);
    for (const resume of waiters ?? []) resume();
  }

  versionOf(key: string): number {
    return this.versions.get(key) ?? 0;
  }

  /** Resolves when the rollout has changed since `version`, or when the signal aborts. */
  wait(key: string, version: number, signal: AbortSignal): Promise<void> {
    if (this.versionOf(key) !== version || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiters = this.waiting.get(key) ?? new Set();
      this.waiting.set(key, waiters);
      const resume = (): void => {
        signal.removeEventListener("abort", resume);
        waiters.delete(resume);
        resolve();
      };
      waiters.add(resume);
      signal.addEventListener("abort", resume, { once: true });
    });
  }
}
