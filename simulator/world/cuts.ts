// SPDX-License-Identifier: Apache-2.0
/**
 * Which device reaches which gateway, and when wires are cut: each device and each gateway is cut
 * off again and again, after a drawn time, for a drawn time. A device loses one gateway or all.
 */
import { delay, type Clock } from "../../ports/clock.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import type { CenterWire } from "./center-wire.ts";
import type { DeviceWire } from "./device-wire.ts";

const MINUTE_MS = 60_000;
const DEVICE_EVERY_MS: number = 120 * MINUTE_MS;
const DEVICE_FOR_MS: number = 10 * MINUTE_MS;
const CENTER_EVERY_MS: number = 120 * MINUTE_MS;
const CENTER_FOR_MS: number = 5 * MINUTE_MS;

export interface CutCounts {
  devices: number;
  centers: number;
}

export class Cuts {
  readonly counts: CutCounts = { devices: 0, centers: 0 };
  private readonly clock: Clock;
  private readonly seed: string;
  private readonly record: (who: string, what: string) => void;
  private readonly cutOff = new Set<string>();
  private readonly wires = new Map<string, Set<DeviceWire>>();

  constructor(options: {
    clock: Clock;
    seed: string;
    record: (who: string, what: string) => void;
  }) {
    this.clock = options.clock;
    this.seed = options.seed;
    this.record = options.record;
  }

  isCut(device: string, gateway: string): boolean {
    return this.cutOff.has(`${device} ${gateway}`);
  }

  /** A wire that a later cut will cut. */
  add(device: string, gateway: string, wire: DeviceWire): void {
    const key = `${device} ${gateway}`;
    const wires = this.wires.get(key) ?? new Set();
    this.wires.set(key, wires.add(wire));
    wire.device.once("close", () => wires.delete(wire));
  }

  /** Until the signal aborts; then everything is mended. */
  async cutDevice(device: string, gateways: readonly string[], signal: AbortSignal): Promise<void> {
    const random = new SeededRandom({ seed: this.seed, name: `cuts of ${device}` });
    for (;;) {
      if (!(await this.pause(random.next() * DEVICE_EVERY_MS, signal))) return;
      const isAll = random.next() < 0.5;
      const one = gateways[Math.floor(random.next() * gateways.length)];
      const lost = gateways.filter((gateway) => isAll || gateway === one);
      this.counts.devices++;
      this.record(device, `is cut off from ${lost.join(", ")}`);
      for (const gateway of lost) this.each(device, gateway, (wire) => wire.cut());
      for (const gateway of lost) this.cutOff.add(`${device} ${gateway}`);
      await this.pause(random.next() * DEVICE_FOR_MS, signal);
      this.record(device, "is cut off no more");
      for (const gateway of lost) this.cutOff.delete(`${device} ${gateway}`);
      for (const gateway of lost) this.each(device, gateway, (wire) => wire.reset());
    }
  }

  /** Until the signal aborts; then everything is mended. */
  async cutGateway(gateway: string, wire: CenterWire, signal: AbortSignal): Promise<void> {
    const random = new SeededRandom({ seed: this.seed, name: `cuts of ${gateway}` });
    for (;;) {
      if (!(await this.pause(random.next() * CENTER_EVERY_MS, signal))) return;
      this.counts.centers++;
      this.record(gateway, "is cut off from the center");
      wire.cut();
      await this.pause(random.next() * CENTER_FOR_MS, signal);
      this.record(gateway, "is cut off no more");
      wire.mend();
    }
  }

  private each(device: string, gateway: string, action: (wire: DeviceWire) => void): void {
    for (const wire of this.wires.get(`${device} ${gateway}`) ?? []) action(wire);
  }

  /** False when the signal ended it. */
  private async pause(durationMs: number, signal: AbortSignal): Promise<boolean> {
    return await delay(this.clock, durationMs, signal).then(
      () => true,
      () => false,
    );
  }
}
