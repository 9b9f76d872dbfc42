// SPDX-License-Identifier: Apache-2.0
/**
 * Where each device is connected, as its gateways say: flat columns by ordinal, 29 bytes a device
 * and no object. Not stored: gateways tell it again after a restart. Presence is the gateway's
 * verdict; a device whose gateway is cut off, or has forgotten it, is `unknown`, never `offline`.
 */
import type { Clock } from "../../ports/clock.ts";
import { FEATURES, type Feature } from "../../protocol/device/status.ts";

export type Presence = "never-seen" | "online" | "offline" | "unknown";

/** Is this gateway (by number) heard from? */
export type GatewayOnline = (gatewayNumber: number) => boolean;

const NOT_CONNECTED = 0;
const NO_FENCE = 0;
const BEGINNING_UNIT_MS = 100;
/** Columns grow by a quarter: twice as long they would be half empty for most of their life. */
const GROWTH = 1.25;

/** Bits of the column `said`. */
const SAID = {
  /** Hello in this session: what the device runs is known. */
  hello: 1,
  /** Hello in any session since this center started. */
  helloOnce: 2,
  /** Its last session is one that nobody saw the end of. */
  lost: 4,
} as const;

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

export class FleetTable {
  private gateway: Uint16Array = new Uint16Array(1_024);
  /** What is above `firstFence`, plus 1; 0 = it never had a session. */
  private fence: Uint32Array = new Uint32Array(1_024);
  /** By what its gateway calls the session. */
  private localId: Uint32Array = new Uint32Array(1_024);
  /** Monotonic ms: the begin of the session that it has, or the end of the last. */
  private changedAt: Float64Array = new Float64Array(1_024);
  /** Last sign of life that was passed on: whole seconds of wall time since 1970; 0 = none. */
  private lastSeen: Uint32Array = new Uint32Array(1_024);
  /**
   * When the device connected, by its gateway's word: tenths of a second since this center started,
   * negative = before.
   */
  private beganAt: Int32Array = new Int32Array(1_024);
  /** Bits of `SAID`. */
  private said: Uint8Array = new Uint8Array(1_024);
  /** Bit n: slot n was named in this session. */
  private named: Uint8Array = new Uint8Array(1_024);
  /** Bit n: the device said in its last hello that it understands feature n. */
  private features: Uint8Array = new Uint8Array(1_024);
  private readonly clock: Clock;
  private readonly isGatewayOnline: GatewayOnline;
  private readonly startedAtMs: number;
  /** A silence shorter than this breaks nothing: three heartbeats may be missed. */
  readonly gapMs: number;
  /** After a start, devices are unknown until gateways had this long to say who is there. */
  private readonly settleMs: number;
  private readonly firstFence: number;
  private fenceCount = 0;
  private onlineCount = 0;
  private readonly countByGateway = new Map<number, number>();

  constructor(options: {
    clock: Clock;
    isGatewayOnline: GatewayOnline;
    gapMs: number;
    settleMs: number;
    /** Above every fence that an earlier center gave out; fewer than 2^32 are drawn. */
    firstFence: number;
  }) {
    this.clock = options.clock;
    this.isGatewayOnline = options.isGatewayOnline;
    this.gapMs = options.gapMs;
    this.settleMs = options.settleMs;
    this.firstFence = options.firstFence;
    this.startedAtMs = options.clock.monotonicMs();
  }

  get connectedCount(): number {
    return this.onlineCount;
  }

  /**
   * A new session takes the place of any other. `localId`: what its gateway calls it.
   * `openedMsAgo`: for how long the device has been connected there.
   */
  open(ordinal: number, gatewayNumber: number, localId = 0, openedMsAgo = 0): { fence: number } {
    this.grow(ordinal);
    const olderGateway = this.gateway[ordinal] ?? NOT_CONNECTED;
    const fence = this.drawFence();
    this.beganAt[ordinal] = this.beginning(openedMsAgo);
    if (olderGateway === NOT_CONNECTED) this.onlineCount++;
    this.count(olderGateway, -1);
    this.count(gatewayNumber, 1);
    this.gateway[ordinal] = gatewayNumber;
    this.fence[ordinal] = fence - this.firstFence + 1;
    this.localId[ordinal] = localId;
    this.said[ordinal] = (this.said[ordinal] ?? 0) & ~(SAID.hello | SAID.lost);
    this.changedAt[ordinal] = this.clock.monotonicMs();
    this.named[ordinal] = 0;
    this.lastSeen[ordinal] = this.clock.wallMs() / 1_000;
    return { fence };
  }

  /** A fence that no session has or had. */
  drawFence(): number {
    return this.firstFence + this.fenceCount++;
  }

  /** Whether the session that the device has, or had last, began after one of so long ago. */
  beganAfter(ordinal: number, openedMsAgo: number): boolean {
    if (this.fenceOf(ordinal) === 0) return false;
    return (this.beganAt[ordinal] ?? 0) > this.beginning(openedMsAgo);
  }

  /**
   * The device's session is of before this center started. It may have ended without a word, and
   * the device be at another gateway since, which has not said so yet: by now it may run something
   * else. Its gateway misses it after a gap, and nobody has heard of it for another one; the third
   * is for what they take to say so.
   */
  mayHaveMovedOn(ordinal: number): boolean {
    if ((this.beganAt[ordinal] ?? 0) >= 0) return false;
    return this.clock.monotonicMs() - this.startedAtMs < 3 * this.gapMs;
  }

  private beginning(openedMsAgo: number): number {
    const upMs = this.clock.monotonicMs() - this.startedAtMs;
    return Math.round((upMs - openedMsAgo) / BEGINNING_UNIT_MS);
  }

  /** The session with this fence ended; an older fence changes nothing. */
  close(ordinal: number, fence: number, lastSeenAtMs: number): boolean {
    if (this.fenceOf(ordinal) !== fence) return false;
    if ((this.gateway[ordinal] ?? NOT_CONNECTED) === NOT_CONNECTED) return false;
    this.count(this.gateway[ordinal] ?? NOT_CONNECTED, -1);
    this.gateway[ordinal] = NOT_CONNECTED;
    this.changedAt[ordinal] = this.clock.monotonicMs();
    this.lastSeen[ordinal] = lastSeenAtMs / 1_000;
    this.onlineCount--;
    return true;
  }

  /**
   * Its gateway knows nothing of the session that it had: a gateway's process ended with it, or it
   * ended while the gateway was cut off. For a gap the device is unknown: a living one comes back
   * within it.
   */
  lose(ordinal: number, lastSeenAtMs: number): void {
    if (!this.close(ordinal, this.fenceOf(ordinal), lastSeenAtMs)) return;
    this.said[ordinal] = (this.said[ordinal] ?? 0) | SAID.lost;
  }

  /** Everything this gateway has, for its snapshot: those not named again are lost. */
  ordinalsOf(gatewayNumber: number): number[] {
    const ordinals: number[] = [];
    for (let ordinal = 1; ordinal < this.gateway.length; ordinal++) {
      if (this.gateway[ordinal] === gatewayNumber) ordinals.push(ordinal);
    }
    return ordinals;
  }

  /** Devices with a session at this gateway. */
  countOf(gatewayNumber: number): number {
    return this.countByGateway.get(gatewayNumber) ?? 0;
  }

  private count(gatewayNumber: number, change: number): void {
    if (gatewayNumber === NOT_CONNECTED) return;
    this.countByGateway.set(gatewayNumber, this.countOf(gatewayNumber) + change);
  }

  localIdOf(ordinal: number): number {
    return this.localId[ordinal] ?? 0;
  }

  /** 0 = it never had a session. */
  fenceOf(ordinal: number): number {
    const drawn = this.fence[ordinal] ?? NO_FENCE;
    return drawn === NO_FENCE ? 0 : this.firstFence + drawn - 1;
  }

  /** The device said hello in this session, and which features it understands. */
  greet(ordinal: number, features: readonly string[]): void {
    this.grow(ordinal);
    let bits = 0;
    FEATURES.forEach((feature, bit) => {
      if (features.includes(feature)) bits |= 1 << bit;
    });
    this.features[ordinal] = bits;
    this.said[ordinal] = SAID.hello | SAID.helloOnce;
  }

  /** The device told what this slot (0–7) runs. */
  nameSlot(ordinal: number, slot: number): void {
    this.grow(ordinal);
    this.named[ordinal] = (this.named[ordinal] ?? 0) | (1 << slot);
  }

  understands(ordinal: number, feature: Feature): boolean {
    return ((this.features[ordinal] ?? 0) & (1 << FEATURES.indexOf(feature))) !== 0;
  }

  hasNamed(ordinal: number, slot: number): boolean {
    return ((this.named[ordinal] ?? 0) & (1 << slot)) !== 0;
  }

  /**
   * What the device runs is known: it said hello in this session; or it did in an earlier one and
   * has said nothing for a heartbeat of this one (a client that only listens says no hello).
   */
  hasGreeted(ordinal: number): boolean {
    const said = this.said[ordinal] ?? 0;
    if ((said & SAID.hello) !== 0) return true;
    const openForMs = this.clock.monotonicMs() - (this.changedAt[ordinal] ?? 0);
    return (said & SAID.helloOnce) !== 0 && openForMs >= this.gapMs / 3;
  }

  /**
   * Wall ms of its last sign of life, in whole seconds; of one that is online: now, for its
   * heartbeats go on. 0 = none was passed on.
   */
  sawAt(ordinal: number): number {
    if (this.presence(ordinal) === "online") return this.clock.wallMs();
    return (this.lastSeen[ordinal] ?? 0) * 1_000;
  }

  /** The gateway number of a live session at a gateway that is heard from; 0 = none. */
  reachableThrough(ordinal: number): number {
    const gatewayNumber = this.gateway[ordinal] ?? NOT_CONNECTED;
    if (gatewayNumber === NOT_CONNECTED) return NOT_CONNECTED;
    return this.isGatewayOnline(gatewayNumber) ? gatewayNumber : NOT_CONNECTED;
  }

  /** The gateway of its session, heard from or not; 0 = none. */
  gatewayOf(ordinal: number): number {
    return this.gateway[ordinal] ?? NOT_CONNECTED;
  }

  presence(ordinal: number): Presence {
    const gatewayNumber = this.gateway[ordinal] ?? NOT_CONNECTED;
    if (gatewayNumber !== NOT_CONNECTED) {
      return this.isGatewayOnline(gatewayNumber) ? "online" : "unknown";
    }
    if (this.fenceOf(ordinal) !== 0) {
      const isLost = ((this.said[ordinal] ?? 0) & SAID.lost) !== 0;
      return isLost && this.closedForMs(ordinal) < this.gapMs ? "unknown" : "offline";
    }
    const upMs = this.clock.monotonicMs() - this.startedAtMs;
    return upMs < this.settleMs ? "unknown" : "never-seen";
  }

  /** Calls back for each device that has a session, heard from or not: a scan of flat memory. */
  forEachConnected(visit: (ordinal: number) => void): void {
    for (let ordinal = 1; ordinal < this.gateway.length; ordinal++) {
      if (this.gateway[ordinal] !== NOT_CONNECTED) visit(ordinal);
    }
  }

  /** For evidence: online, or gone for less than the gap that breaks nothing. */
  isHeardFrom(ordinal: number): boolean {
    const presence = this.presence(ordinal);
    if (presence === "online") return true;
    if (presence !== "offline") return false;
    return this.closedForMs(ordinal) < this.gapMs;
  }

  private closedForMs(ordinal: number): number {
    return this.clock.monotonicMs() - (this.changedAt[ordinal] ?? 0);
  }

  private grow(ordinal: number): void {
    if (ordinal < this.gateway.length) return;
    const length = Math.max(ordinal + 1, Math.ceil(this.gateway.length * GROWTH));
    const copy = <Kind extends Column>(into: Kind, from: Kind): Kind => {
      into.set(from);
      return into;
    };
    this.gateway = copy(new Uint16Array(length), this.gateway);
    this.localId = copy(new Uint32Array(length), this.localId);
    this.fence = copy(new Uint32Array(length), this.fence);
    this.changedAt = copy(new Float64Array(length), this.changedAt);
    this.lastSeen = copy(new Uint32Array(length), this.lastSeen);
    this.beganAt = copy(new Int32Array(length), this.beganAt);
    this.said = copy(new Uint8Array(length), this.said);
    this.named = copy(new Uint8Array(length), this.named);
    this.features = copy(new Uint8Array(length), this.features);
  }
}
