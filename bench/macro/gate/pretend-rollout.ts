// SPDX-License-Identifier: Apache-2.0
/**
 * One rollout as its gate sees it: who has accepted, failed and been decided, event by event, on
 * virtual time. Nothing stops it: rules look on, and what they would have done is read off. That is
 * exact, because until a rule stops a rollout it changes nothing, and it lets every rule judge the
 * very same rollouts.
 *
 * The world: waves of 100, 200, 400 and so on in random order, a limit in flight, some devices
 * offline throughout, failures two minutes after the acceptance (± 50 %), successes after a soak of
 * thirty. A wave opens when everybody who accepted is decided.
 */
import { SeededRandom } from "../../../domain/seeded-random.ts";

export interface World {
  readonly deviceCount: number;
  /** Devices stand at so many sites, drawn at random. */
  readonly siteCount: number;
  readonly maxInFlight: number;
  readonly firstWave: number;
  readonly offlineShare: number;
  readonly trueFailureRate: number;
  /** The failure rate is that of sites, and all devices of a bad site fail. */
  readonly correlated: boolean;
}

const FAILURE_MS = 120_000;
const SOAK_MS = 1_800_000;

/** What a rule may look at. */
export interface GateView {
  accepted: number;
  failures: number;
  /** Failed, or through the soak. */
  executed: number;
  /** Of the current wave, those offline included. */
  waveSize: number;
  waveFailures: number;
  planSize: number;
  sitesAccepted: number;
  sitesFailed: number;
  siteCount: number;
}

/** Calls `look` after every event; it answers false when nobody needs to see more. */
export function pretendRollout(
  world: World,
  seed: number,
  look: (view: GateView) => boolean,
): void {
  new PretendRollout(world, seed).run(look);
}

class PretendRollout {
  private readonly world: World;
  private readonly random: SeededRandom;
  private readonly view: GateView;
  private nowMs = 0;
  private position = 0;
  private waveEnd = 0;
  private inFlight = 0;
  /** Successes come in the order of acceptance. */
  private readonly successAtMs: Float64Array;
  private successHead = 0;
  private successTail = 0;
  private readonly failures: FailureQueue;
  private readonly isBadSite: Uint8Array;
  private readonly siteHasAccepted: Uint8Array;
  private readonly siteHasFailed: Uint8Array;

  constructor(world: World, seed: number) {
    this.world = world;
    this.random = new SeededRandom(seed);
    this.successAtMs = new Float64Array(world.deviceCount);
    this.failures = new FailureQueue(world.maxInFlight);
    this.siteHasAccepted = new Uint8Array(world.siteCount);
    this.siteHasFailed = new Uint8Array(world.siteCount);
    this.isBadSite = Uint8Array.from({ length: world.correlated ? world.siteCount : 0 }, () =>
      this.random.chance(world.trueFailureRate) ? 1 : 0,
    );
    this.view = {
      accepted: 0,
      failures: 0,
      executed: 0,
      waveSize: 0,
      waveFailures: 0,
      planSize: world.deviceCount,
      sitesAccepted: 0,
      sitesFailed: 0,
      siteCount: world.siteCount,
    };
  }

  run(look: (view: GateView) => boolean): void {
    for (let wave = this.world.firstWave; this.openWave(wave); wave *= 2) {
      do {
        while (this.inFlight < this.world.maxInFlight && this.position < this.waveEnd) {
          if (this.offer() && !look(this.view)) return;
        }
        if (this.inFlight === 0) break;
        this.decideNext();
        if (!look(this.view)) return;
      } while (this.inFlight > 0 || this.position < this.waveEnd);
    }
  }

  private openWave(size: number): boolean {
    if (this.position >= this.world.deviceCount) return false;
    this.waveEnd = Math.min(this.position + size, this.world.deviceCount);
    this.view.waveSize = this.waveEnd - this.position;
    this.view.waveFailures = 0;
    return true;
  }

  /** False when the device is offline. */
  private offer(): boolean {
    const { world, random, view } = this;
    this.position++;
    if (random.chance(world.offlineShare)) return false;
    const site = random.below(world.siteCount);
    view.accepted++;
    if (this.siteHasAccepted[site] === 0) {
      this.siteHasAccepted[site] = 1;
      view.sitesAccepted++;
    }
    this.inFlight++;
    const fails = world.correlated
      ? this.isBadSite[site] === 1
      : random.chance(world.trueFailureRate);
    if (fails) this.failures.push(this.nowMs + FAILURE_MS * (0.5 + random.next()), site);
    else this.successAtMs[this.successTail++] = this.nowMs + SOAK_MS;
    return true;
  }

  private decideNext(): void {
    const { view, failures } = this;
    const successMs =
      this.successHead < this.successTail
        ? (this.successAtMs[this.successHead] ?? 0)
        : Number.POSITIVE_INFINITY;
    this.inFlight--;
    view.executed++;
    if (failures.firstMs > successMs) {
      this.nowMs = successMs;
      this.successHead++;
      return;
    }
    this.nowMs = failures.firstMs;
    const site = failures.pop();
    view.failures++;
    view.waveFailures++;
    if (this.siteHasFailed[site] === 1) return;
    this.siteHasFailed[site] = 1;
    view.sitesFailed++;
  }
}

/** The earliest first: a binary heap of times, each with its site. */
class FailureQueue {
  private readonly atMs: Float64Array;
  private readonly sites: Uint32Array;
  private size = 0;

  constructor(capacity: number) {
    this.atMs = new Float64Array(capacity);
    this.sites = new Uint32Array(capacity);
  }

  get firstMs(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : (this.atMs[0] ?? 0);
  }

  push(atMs: number, site: number): void {
    let index = this.size++;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((this.atMs[parent] ?? 0) <= atMs) break;
      this.move(parent, index);
      index = parent;
    }
    this.atMs[index] = atMs;
    this.sites[index] = site;
  }

  /** The site of the first one. */
  pop(): number {
    const site = this.sites[0] ?? 0;
    const last = --this.size;
    const atMs = this.atMs[last] ?? 0;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= last) break;
      if (child + 1 < last && (this.atMs[child + 1] ?? 0) < (this.atMs[child] ?? 0)) child++;
      if ((this.atMs[child] ?? 0) >= atMs) break;
      this.move(child, index);
      index = child;
    }
    this.atMs[index] = atMs;
    this.sites[index] = this.sites[last] ?? 0;
    return site;
  }

  private move(from: number, to: number): void {
    this.atMs[to] = this.atMs[from] ?? 0;
    this.sites[to] = this.sites[from] ?? 0;
  }
}
