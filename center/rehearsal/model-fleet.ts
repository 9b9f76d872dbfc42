// SPDX-License-Identifier: Apache-2.0
/**
 * The devices of a rehearsal, in columns by position: who is online when, how long an install
 * takes, whom the release breaks. A device works on one thing at a time, keeps the newest offer for
 * afterwards, and says when it is back what it could not say while it was away.
 *
 * The first half of an install is its download. Where the rollout caps that, it takes as long as
 * its bytes do at the capped rate, if that is longer, and gives way to newer work.
 */
import { assert } from "../../domain/assert.ts";
import { HOUR_MS, HOURS_A_WEEK, wasOnline } from "../../domain/availability-page.ts";
import type { ReportedPhase } from "../../domain/attempt-step.ts";
import type { SeededRandom } from "../../domain/seeded-random.ts";
import type { Bandwidth } from "../../domain/bandwidth.ts";
import { DueQueue } from "./due-queue.ts";
import { ModelTransfers } from "./model-transfers.ts";
import type { FleetModel, Scenario } from "./rehearsal.ts";

/** A push reaches a connected device within this. */
const PUSH_LATENCY_MS = 200;

const KIND = { accept: 0, halfway: 1, finish: 2, presence: 3 } as const;
const KINDS = 4;

/** What an offer says, and a report answers. */
export interface OfferedWork {
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly leaseId: string;
  readonly slot: number;
  readonly digest: string;
  /** It is to run again what it ran before. */
  readonly isWayBack: boolean;
}

/** What devices tell their gateway. */
export interface FleetVoice {
  connected(device: number): void;
  disconnected(device: number): void;
  /** From now on it runs what the work brought. */
  runs(device: number, work: OfferedWork): void;
  reported(device: number, work: OfferedWork, sequence: number, phase: ReportedPhase): void;
  /** The offer comes back: the device went before it was sent, or it was withdrawn. */
  returned(work: OfferedWork): void;
}

interface HeldReport {
  readonly work: OfferedWork;
  readonly sequence: number;
  readonly phase: ReportedPhase;
}

export class ModelFleet {
  private readonly due = new DueQueue();
  private readonly online: Uint8Array;
  private readonly broken: Uint8Array;
  private readonly gone: Uint8Array;
  private readonly sequences: Uint8Array;
  /** Only of devices that have one: bounded by what is in flight. */
  private readonly queued = new Map<number, OfferedWork>();
  private readonly working = new Map<number, OfferedWork>();
  /** Only of devices that are away and have something to say. */
  private readonly held = new Map<number, HeldReport[]>();
  /** Of those that fetch under a cap: how long half of their work takes, and since when. */
  private readonly fetching = new Map<
    number,
    { readonly halfMs: number; readonly sinceMs: number }
  >();
  private readonly transfers: ModelTransfers;
  private readonly options: {
    readonly model: FleetModel;
    readonly scenario: Scenario;
    readonly random: SeededRandom;
    readonly voice: FleetVoice;
    /** Wall ms at virtual time 0. */
    readonly startAtMs: number;
    /** Only this one's release is the one that may break devices. */
    readonly rolloutNumber: number;
    /** Caps of that one. */
    readonly bandwidth: Bandwidth;
  };

  constructor(options: ModelFleet["options"], deviceCount: number) {
    this.options = options;
    this.online = new Uint8Array(deviceCount);
    this.broken = new Uint8Array(deviceCount);
    this.gone = new Uint8Array(deviceCount);
    this.sequences = new Uint8Array(deviceCount);
    const { scenario, random, bandwidth, model } = options;
    const { sites, gateways } = model;
    const isOnline = (device: number): boolean => this.online[device] === 1;
    this.transfers = new ModelTransfers({ bandwidth, sites, gateways, isOnline });
    for (let device = 0; device < deviceCount; device++) {
      const isBroken = random.chance(scenario.brokenShare);
      if (isBroken && options.model.fragile[device] === 1) this.broken[device] = 1;
    }
  }

  /** Those that are online at the start connect. */
  begin(): void {
    for (let device = 0; device < this.online.length; device++) this.turn(device, 0);
  }

  get nextAtMs(): number {
    return this.due.nextAtMs;
  }

  /** Everything that is due by `nowMs` (virtual time) happens. */
  advance(nowMs: number): void {
    for (const { device, atMs } of this.transfers.advance(nowMs)) this.fetched(device, atMs);
    while (this.due.nextAtMs <= nowMs) {
      const atMs = this.due.nextAtMs;
      const value = this.due.pop();
      this.happen(Math.floor(value / KINDS), value % KINDS, atMs);
    }
  }

  offer(device: number, work: OfferedWork, nowMs: number): void {
    this.queued.set(device, work);
    if (this.working.has(device) && !this.transfers.has(device)) return;
    const latencyMs = PUSH_LATENCY_MS * this.options.random.next();
    this.due.push(nowMs + latencyMs, device * KINDS + KIND.accept);
  }

  /** Offers of this rollout that were not accepted are withdrawn. */
  withdraw(rollout: number): void {
    for (const [device, work] of this.queued) {
      if (work.rollout !== rollout) continue;
      this.queued.delete(device);
      this.options.voice.returned(work);
    }
  }

  private happen(device: number, kind: number, atMs: number): void {
    switch (kind) {
      case KIND.accept:
        return this.accept(device, atMs);
      case KIND.halfway:
        for (const phase of ["downloading", "downloaded", "installing"] as const) {
          this.say(device, phase);
        }
        return;
      case KIND.finish:
        return this.finish(device, atMs);
      default:
        return this.turn(device, atMs);
    }
  }

  private accept(device: number, atMs: number): void {
    const work = this.queued.get(device);
    // It was withdrawn, or the device went; or it is still at work on something else.
    if (work === undefined || this.online[device] === 0) return;
    if (this.transfers.has(device)) this.giveUpFetching(device);
    if (this.working.has(device)) return;
    this.queued.delete(device);
    this.working.set(device, work);
    this.sequences[device] = 0;
    this.say(device, "accepted");
    const halfMs = this.drawWorkMs() / 2;
    const bytes = this.isOfRelease(work) ? (this.options.model.transferBytes[device] ?? 0) : 0;
    this.fetching.set(device, { halfMs, sinceMs: atMs });
    if (bytes > 0) this.transfers.begin(device, bytes, atMs);
    else this.fetched(device, atMs);
  }

  /** Its bytes are there; a download that has no cap is over when half of the work is. */
  private fetched(device: number, atMs: number): void {
    const fetch = this.fetching.get(device);
    assert(fetch !== undefined, "what is fetched was begun");
    this.fetching.delete(device);
    const halfwayMs = Math.max(atMs, fetch.sinceMs + fetch.halfMs);
    this.due.push(halfwayMs, device * KINDS + KIND.halfway);
    this.due.push(halfwayMs + fetch.halfMs, device * KINDS + KIND.finish);
  }

  private giveUpFetching(device: number): void {
    this.transfers.end(device);
    this.fetching.delete(device);
    this.say(device, "superseded");
    this.working.delete(device);
  }

  /** Not what puts devices back. */
  private isOfRelease(work: OfferedWork): boolean {
    return work.rollout === this.options.rolloutNumber && !work.isWayBack;
  }

  private finish(device: number, atMs: number): void {
    const { random, scenario, voice } = this.options;
    const work = this.working.get(device);
    assert(work !== undefined, "what is finished was begun");
    const isBroken = this.broken[device] === 1 && this.isOfRelease(work);
    if (isBroken && random.chance(scenario.silentShare)) {
      this.gone[device] = 1;
      this.leave(device);
      return;
    }
    this.say(device, isBroken ? "rolled-back" : "installed");
    this.working.delete(device);
    if (!isBroken) voice.runs(device, work);
    if (this.queued.has(device)) this.due.push(atMs, device * KINDS + KIND.accept);
  }

  /** Of the quantiles, in between two of them as chance has it. */
  private drawWorkMs(): number {
    const { workMs } = this.options.model;
    const place = this.options.random.next() * (workMs.length - 1);
    const below = Math.floor(place);
    const low = workMs[below] ?? 0;
    const high = workMs[below + 1] ?? low;
    return low + (high - low) * (place - below);
  }

  private say(device: number, phase: ReportedPhase): void {
    const work = this.working.get(device);
    if (work === undefined || this.gone[device] === 1) return;
    const sequence = (this.sequences[device] ?? 0) + 1;
    this.sequences[device] = sequence;
    if (this.online[device] === 1) {
      this.options.voice.reported(device, work, sequence, phase);
      return;
    }
    const held = this.held.get(device) ?? [];
    held.push({ work, sequence, phase });
    this.held.set(device, held);
  }

  /** What the hour says of the device; and when it is to be looked at again. */
  private turn(device: number, atMs: number): void {
    if (this.gone[device] === 1) return;
    const wallMs = this.options.startAtMs + atMs;
    // Not everybody comes and goes at the full hour.
    const shiftMs = (Math.imul(device + 1, 2_654_435_761) >>> 0) % HOUR_MS;
    const hour = Math.floor((wallMs + shiftMs) / HOUR_MS);
    const isOnline = this.wasOnline(device, hour);
    for (let ahead = 1; ahead <= HOURS_A_WEEK; ahead++) {
      if (this.wasOnline(device, hour + ahead) === isOnline) continue;
      const changeAtMs = (hour + ahead) * HOUR_MS - shiftMs - this.options.startAtMs;
      this.due.push(changeAtMs, device * KINDS + KIND.presence);
      break;
    }
    if (isOnline && this.online[device] === 0) this.arrive(device, atMs);
    if (!isOnline && this.online[device] === 1) this.leave(device);
  }

  private wasOnline(device: number, hour: number): boolean {
    return wasOnline(this.options.model.onlineHours, device, hour);
  }

  private arrive(device: number, atMs: number): void {
    this.online[device] = 1;
    this.options.voice.connected(device);
    for (const { work, sequence, phase } of this.held.get(device) ?? []) {
      this.options.voice.reported(device, work, sequence, phase);
    }
    this.held.delete(device);
    if (this.queued.has(device)) this.due.push(atMs, device * KINDS + KIND.accept);
  }

  private leave(device: number): void {
    this.online[device] = 0;
    const work = this.queued.get(device);
    if (work !== undefined) {
      this.queued.delete(device);
      this.options.voice.returned(work);
    }
    this.options.voice.disconnected(device);
  }
}
