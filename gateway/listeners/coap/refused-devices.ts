// SPDX-License-Identifier: Apache-2.0
/**
 * Devices that the center has turned away, for a minute each: without a connection that could be
 * closed, a device that goes on saying hello would cost the center a question each time.
 *
 * Limit: 10,000 devices; beyond, the one that was turned away first is forgotten.
 */
export const REFUSED_FOR_MS = 60_000;
export const MAX_REFUSED_DEVICES = 10_000;

export class RefusedDevices {
  /** By device, when it may try again; in the order of their coming. */
  readonly #untilMs = new Map<string, number>();

  add(device: string, nowMs: number): void {
    this.#untilMs.delete(device);
    this.#untilMs.set(device, nowMs + REFUSED_FOR_MS);
    if (this.#untilMs.size <= MAX_REFUSED_DEVICES) return;
    for (const oldest of this.#untilMs.keys()) {
      this.#untilMs.delete(oldest);
      return;
    }
  }

  has(device: string, nowMs: number): boolean {
    const untilMs = this.#untilMs.get(device);
    if (untilMs === undefined) return false;
    if (nowMs < untilMs) return true;
    this.#untilMs.delete(device);
    return false;
  }
}
