// SPDX-License-Identifier: Apache-2.0
/** The center's wall clock without its jumps: `notBefore`, `expires` and windows ask it. */
import {
  settledWallMs,
  settleTime,
  startSettledTime,
  type ClockReading,
  type SettledTime,
} from "../../domain/settled-time.ts";
import type { Clock } from "../../ports/clock.ts";

export class WallTime {
  private readonly clock: Clock;
  private settled: SettledTime;

  constructor(clock: Clock) {
    this.clock = clock;
    this.settled = startSettledTime(this.read());
  }

  /** Milliseconds since 1970. Asked at least once a minute, or jumps are believed the later. */
  nowMs(): number {
    const reading = this.read();
    this.settled = settleTime(this.settled, reading);
    return settledWallMs(this.settled, reading.monotonicMs);
  }

  private read(): ClockReading {
    return { wallMs: this.clock.wallMs(), monotonicMs: this.clock.monotonicMs() };
  }
}
