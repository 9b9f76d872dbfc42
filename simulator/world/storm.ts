// SPDX-License-Identifier: Apache-2.0
/**
 * Everything that goes wrong by itself, drawn from the seed, until it is calm. Then nothing fails
 * any more, what is broken is mended, and the world has to come to rest.
 *
 * A named point that was seldom passed is a likelier place to crash than one that is passed all the
 * time, so that all of them are met: of `n` passes about the logarithm of n crash.
 */
import { MusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import { ALL_FAULTS, type FaultCounts, type FaultKind } from "./fault-kinds.ts";
import type { Life } from "./life.ts";

const MINUTE_MS = 60_000;
/** Of each kind: until the next, and how long it lasts, at most. */
const CUT_DEVICE: Rhythm = { everyMs: 240 * MINUTE_MS, forMs: 10 * MINUTE_MS };
const CUT_GATEWAY: Rhythm = { everyMs: 120 * MINUTE_MS, forMs: 5 * MINUTE_MS };
const SPOIL_DISK: Rhythm = { everyMs: 480 * MINUTE_MS, forMs: 5 * MINUTE_MS };
const SET_CLOCK: Rhythm = { everyMs: 480 * MINUTE_MS, forMs: 30 * MINUTE_MS };
/** The first passes of a point die so often: 1 in 60. */
const FIRST_PASSES = 60;
const LATE_SHARE = 0.005;
const LATE_MS = 8_000;
const TWICE_SHARE = 0.005;
/** Of the changes of a spoilt disk. */
const FAILING_SHARE = 0.5;

const DISK_FAILURE = "the disk";
const REPLACING = ["writeAtomically", "writeDurable", "switchLink"] as const;

/** How a disk is spoilt: which changes fail, and how. */
const DISK_FAULTS = {
  "is full": {
    code: "no_space",
    spoils: new Set<string>([...REPLACING, "createFile", "createFolder", "createLink", "write"]),
  },
  "does not sync": { code: "internal", spoils: new Set<string>([...REPLACING, "synchronise"]) },
} as const;

type DiskFault = keyof typeof DISK_FAULTS;

/** Whether a spoilt disk is at the bottom of it. */
export function isDiskFailure(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.message.startsWith(`${DISK_FAILURE} `)) return true;
  }
  return false;
}

interface Rhythm {
  readonly everyMs: number;
  readonly forMs: number;
}

export interface StormOptions {
  /** Of whoever stands outside. */
  readonly life: Life;
  readonly seed: string;
  readonly kinds: readonly FaultKind[];
  readonly record: (who: string, what: string) => void;
}

export class Storm {
  private readonly options: StormOptions;
  private readonly kinds: ReadonlySet<FaultKind>;
  private readonly dice: SeededRandom;
  private readonly numbers = new Map<FaultKind, number>();
  private readonly passes = new Map<string, number>();
  private readonly deaths = new Map<string, number>();
  private readonly spoilt = new Map<string, DiskFault>();
  private readonly ahead = new Map<string, number>();
  private readonly calming = new AbortController();

  constructor(options: StormOptions) {
    this.options = options;
    this.kinds = new Set(options.kinds);
    this.dice = new SeededRandom({ seed: options.seed, name: "storm" });
  }

  get calm(): AbortSignal {
    return this.calming.signal;
  }

  get counts(): FaultCounts {
    const counts = ALL_FAULTS.map((kind) => [kind, this.numbers.get(kind) ?? 0]);
    return Object.fromEntries(counts) as FaultCounts;
  }

  /** By point; only those at which somebody died. */
  get deathsByPoint(): ReadonlyMap<string, number> {
    return this.deaths;
  }

  end(): void {
    this.calming.abort();
  }

  diesAt(point: string): boolean {
    const passes = (this.passes.get(point) ?? 0) + 1;
    this.passes.set(point, passes);
    if (!this.mayHappen("crashes")) return false;
    if (this.dice.next() >= 1 / (FIRST_PASSES + passes)) return false;
    this.count("crashes");
    this.deaths.set(point, (this.deaths.get(point) ?? 0) + 1);
    return true;
  }

  /** Throws when the disk of that node fails now in a change of that kind. */
  tryDisk(who: string, method: string): void {
    const how = this.spoilt.get(who);
    if (how === undefined || !DISK_FAULTS[how].spoils.has(method)) return;
    if (this.dice.next() >= FAILING_SHARE) return;
    this.count("disks");
    throw new MusterError({ code: DISK_FAULTS[how].code, message: `${DISK_FAILURE} ${how}` });
  }

  /** How far that node's wall clock is ahead of true time, ms. */
  aheadMs(who: string): number {
    return this.ahead.get(who) ?? 0;
  }

  /** Of one message, on a wire with that usual delay. */
  delayMs(usualMs: number): number {
    const ownMs = usualMs * (0.5 + this.dice.next());
    if (!this.mayHappen("delays") || this.dice.next() >= LATE_SHARE) return ownMs;
    this.count("delays");
    return ownMs + this.dice.next() * LATE_MS;
  }

  isTwice(): boolean {
    const isTwice = this.mayHappen("duplicates") && this.dice.next() < TWICE_SHARE;
    if (isTwice) this.count("duplicates");
    return isTwice;
  }

  /** `cut` is told what is lost from now on; `mend` ends it. */
  cutDevice(
    device: string,
    gateways: readonly string[],
    act: { cut: (lost: readonly string[]) => void; mend: (lost: readonly string[]) => void },
  ): void {
    const random = this.randomFor(`cuts of ${device}`);
    this.again("cuts", CUT_DEVICE, random, () => {
      const isAll = random.next() < 0.5;
      const one = gateways[Math.floor(random.next() * gateways.length)];
      const lost = gateways.filter((gateway) => isAll || gateway === one);
      this.options.record(device, `is cut off from ${lost.join(", ")}`);
      this.count("cuts");
      act.cut(lost);
      return () => {
        this.options.record(device, "is cut off no more");
        act.mend(lost);
      };
    });
  }

  cutGateway(gateway: string, act: { cut: () => void; mend: () => void }): void {
    this.again("cuts", CUT_GATEWAY, this.randomFor(`cuts of ${gateway}`), () => {
      this.options.record(gateway, "is cut off from the center");
      this.count("cuts");
      act.cut();
      return () => {
        this.options.record(gateway, "is cut off no more");
        act.mend();
      };
    });
  }

  spoilDisk(who: string): void {
    const random = this.randomFor(`disk of ${who}`);
    this.again("disks", SPOIL_DISK, random, () => {
      const how: DiskFault = random.next() < 0.5 ? "is full" : "does not sync";
      this.options.record(who, `has a disk that ${how}`);
      this.spoilt.set(who, how);
      return () => {
        this.options.record(who, "has a sound disk again");
        this.spoilt.delete(who);
      };
    });
  }

  /** Forwards or backwards, up to `mostMs`. */
  setClock(who: string, mostMs: number): void {
    const random = this.randomFor(`clock of ${who}`);
    this.again("clocks", SET_CLOCK, random, () => {
      const aheadMs = Math.round((2 * random.next() - 1) * mostMs);
      this.options.record(who, `has a clock that is ${aheadMs} ms ahead`);
      this.count("clocks");
      this.ahead.set(who, aheadMs);
      return () => {
        this.options.record(who, "has the right time again");
        this.ahead.delete(who);
      };
    });
  }

  private mayHappen(kind: FaultKind): boolean {
    return this.kinds.has(kind) && !this.calm.aborted;
  }

  private count(kind: FaultKind): void {
    this.numbers.set(kind, (this.numbers.get(kind) ?? 0) + 1);
  }

  private randomFor(name: string): SeededRandom {
    return new SeededRandom({ seed: this.options.seed, name });
  }

  private again(
    kind: FaultKind,
    rhythm: Rhythm,
    random: SeededRandom,
    happen: () => () => void,
  ): void {
    if (this.kinds.has(kind)) void this.repeat(rhythm, random, happen);
  }

  /** Until it is calm; then what has happened last is mended. */
  private async repeat(
    { everyMs, forMs }: Rhythm,
    random: SeededRandom,
    happen: () => () => void,
  ): Promise<void> {
    for (;;) {
      await this.pause(random.next() * everyMs);
      if (this.calm.aborted) return;
      const mend = happen();
      await this.pause(random.next() * forMs);
      mend();
    }
  }

  /** Shorter when it becomes calm. */
  private async pause(durationMs: number): Promise<void> {
    await delay(this.options.life, durationMs, this.calm).catch(() => undefined);
  }
}
