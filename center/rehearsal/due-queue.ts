// SPDX-License-Identifier: Apache-2.0
/**
 * What is due when: a binary heap of numbers in flat memory, earliest first; of two at one time the
 * one that was put in first. 20 bytes an entry, no object.
 */
import { assert } from "../../domain/assert.ts";

export class DueQueue {
  private times: Float64Array = new Float64Array(1_024);
  private serials: Float64Array = new Float64Array(1_024);
  private values: Int32Array = new Int32Array(1_024);
  private count = 0;
  private serial = 0;

  get size(): number {
    return this.count;
  }

  /** When the earliest is due; Infinity when there is none. */
  get nextAtMs(): number {
    return this.count === 0 ? Infinity : (this.times[0] ?? Infinity);
  }

  push(atMs: number, value: number): void {
    if (this.count === this.times.length) this.grow();
    this.place(this.count++, atMs, this.serial++, value);
    this.rise(this.count - 1);
  }

  /** Takes the earliest. */
  pop(): number {
    assert(this.count > 0, "something is due");
    const value = this.values[0] ?? 0;
    this.count--;
    if (this.count > 0) {
      this.move(this.count, 0);
      this.sink();
    }
    return value;
  }

  private rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.isBefore(at, parent)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private sink(): void {
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let first = at;
      if (left < this.count && this.isBefore(left, first)) first = left;
      if (right < this.count && this.isBefore(right, first)) first = right;
      if (first === at) return;
      this.swap(at, first);
      at = first;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const timeA = this.times[a] ?? 0;
    const timeB = this.times[b] ?? 0;
    return timeA < timeB || (timeA === timeB && (this.serials[a] ?? 0) < (this.serials[b] ?? 0));
  }

  private swap(a: number, b: number): void {
    const time = this.times[a] ?? 0;
    const serial = this.serials[a] ?? 0;
    const value = this.values[a] ?? 0;
    this.move(b, a);
    this.place(b, time, serial, value);
  }

  private move(from: number, to: number): void {
    this.place(to, this.times[from] ?? 0, this.serials[from] ?? 0, this.values[from] ?? 0);
  }

  private place(at: number, time: number, serial: number, value: number): void {
    this.times[at] = time;
    this.serials[at] = serial;
    this.values[at] = value;
  }

  private grow(): void {
    const length = this.times.length * 2;
    const { times, serials, values } = this;
    this.times = new Float64Array(length);
    this.times.set(times);
    this.serials = new Float64Array(length);
    this.serials.set(serials);
    this.values = new Int32Array(length);
    this.values.set(values);
  }
}
