// SPDX-License-Identifier: Apache-2.0
/**
 * Every connection of this gateway, as columns of one table. The row is the slot: a small dense
 * integer from a free list. What changes with each packet (lastSeenMs) and what the uplink and
 * presence scan lies in typed arrays, out of the garbage collector's sight; only the link and the
 * device's name are references. About 50 bytes a slot beside those.
 *
 * Invariants: one session per (tenant, device), `open` says which slot held it before; an ordinal
 * belongs to one open session; a slot's columns are meaningless while its `Taken` bit is off.
 *
 * A slot alone is no name for the center: it is reused, and an answer may be late. The local id is
 * the slot (20 bits) and its incarnation (12 bits), so a late answer finds nobody. Slots are reused
 * first in, first out, which puts 4,096 × free slots connections between two equal local ids.
 */
import assert from "node:assert/strict";
import { grown } from "../columns.ts";
import type { DeviceLink } from "./device-link.ts";
import { hashOf, SlotIndex } from "./slot-index.ts";
import { SessionState } from "./session-state.ts";

const SLOT_BITS = 20;
const INCARNATION_MASK = 0xfff;
/** 1,048,576: a million devices that need no socket of their own (CoAP). */
export const MAX_SLOTS: number = 1 << SLOT_BITS;
const FIRST_CAPACITY = 64;

export interface SessionFacts {
  readonly tenant: string;
  readonly device: string;
  readonly protocolLevel: number;
  readonly keepAliveSeconds: number;
}

/** The key of a device in every table of this gateway; splits at the first slash. */
export function deviceKey(tenant: string, device: string): string {
  return `${tenant}/${device}`;
}

/**
 * The same text as one run of bytes. V8 keeps a text that was put together, or cut out of another
 * one, as a tree of its parts: 170 bytes where 40 do, for as long as the session is there.
 */
function flat(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

export class SessionTable {
  readonly maxSlots: number;
  /** Presence time of the last packet, ms. */
  lastSeenMs: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Silence after which the session is over, ms. */
  silenceLimitMs: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** 0 until known. */
  ordinal: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Meaningful with the `Granted` bit; below 2^53. */
  fence: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** As the center's grant names it; 0 = none, or not known. */
  site: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  keepAliveSeconds: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  protocolLevel: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  /** Of the device's heartbeats: index of CODECS; JSON until its hello names another. */
  codec: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  state: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  #incarnation: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  /** Ring of free slots: the next to use follows the longest free one. */
  #nextFree: Int32Array = new Int32Array(FIRST_CAPACITY);
  #freeHead = -1;
  #freeTail = -1;
  /** Slots from here on were never used. */
  #fresh = 0;
  #openCount = 0;
  #takenCount = 0;
  readonly #links: (DeviceLink | null)[] = [];
  readonly #devices: (string | null)[] = [];
  readonly #slotByDevice = new SlotIndex();
  readonly #slotByOrdinal = new SlotIndex();
  readonly #seed: number;

  /** `seed`: nobody outside may know it, for it decides which devices fall together. Default 0. */
  constructor(options: { maxSlots: number; seed?: number }) {
    assert(options.maxSlots > 0 && options.maxSlots <= MAX_SLOTS, "maxSlots is out of range");
    this.maxSlots = options.maxSlots;
    this.#seed = options.seed ?? 0;
  }

  /** Slots that exist; columns are at least this long. */
  get slotCount(): number {
    return this.#fresh;
  }

  get openCount(): number {
    return this.#openCount;
  }

  get takenCount(): number {
    return this.#takenCount;
  }

  /** A slot for a new connection; -1 when the gateway is full. */
  take(link: DeviceLink): number {
    const slot = this.#freeSlot();
    if (slot === -1) return -1;
    this.state[slot] = SessionState.Taken;
    this.ordinal[slot] = 0;
    this.fence[slot] = 0;
    this.site[slot] = 0;
    this.keepAliveSeconds[slot] = 0;
    this.protocolLevel[slot] = 0;
    this.codec[slot] = 0;
    this.#incarnation[slot] = ((this.#incarnation[slot] as number) + 1) & INCARNATION_MASK;
    this.#links[slot] = link;
    this.#devices[slot] = null;
    this.#takenCount += 1;
    return slot;
  }

  /**
   * The device of this slot is known. Returns the slot of its older session, or -1; that one no
   * longer answers to the device's name or ordinal, and the caller closes it.
   */
  open(slot: number, facts: SessionFacts): number {
    assert(this.isTaken(slot) && !this.isOpen(slot), "a slot is opened once, after it was taken");
    const key = flat(deviceKey(facts.tenant, facts.device));
    const older = this.slotOfDevice(key);
    if (older !== -1) this.#forgetOrdinal(older);
    this.state[slot] = (this.state[slot] as number) | SessionState.Open;
    this.protocolLevel[slot] = facts.protocolLevel;
    this.keepAliveSeconds[slot] = facts.keepAliveSeconds;
    const isIt = (other: number): boolean => this.#devices[other] === key;
    this.#slotByDevice.set(hashOf(key, this.#seed), slot, isIt);
    this.#devices[slot] = key;
    this.#openCount += 1;
    return older;
  }

  /** Sets the ordinal that is known of an open session, granted or not. */
  identify(slot: number, ordinal: number): void {
    assert(this.isOpen(slot) && ordinal > 0, "an ordinal belongs to an open session");
    this.#forgetOrdinal(slot);
    const isIt = (other: number): boolean => this.ordinal[other] === ordinal;
    this.#slotByOrdinal.set(ordinal | 0, slot, isIt);
    this.ordinal[slot] = ordinal;
  }

  grant(slot: number, ordinal: number, fence: number): void {
    this.identify(slot, ordinal);
    this.fence[slot] = fence;
    this.state[slot] = (this.state[slot] as number) | SessionState.Granted;
  }

  /** Of an open session; until it is said, a device may be critical. */
  setCritical(slot: number, isCritical: boolean): void {
    const rest = (this.state[slot] as number) & ~SessionState.Ordinary;
    this.state[slot] = isCritical ? rest : rest | SessionState.Ordinary;
  }

  /** Gives the slot back. Its columns keep their values until it is taken again. */
  release(slot: number): void {
    assert(this.isTaken(slot), "a slot is released once");
    if (this.isOpen(slot)) {
      const key = this.#devices[slot] as string;
      this.#slotByDevice.delete(hashOf(key, this.#seed), slot);
      this.#forgetOrdinal(slot);
      this.#openCount -= 1;
    }
    this.state[slot] = 0;
    this.#links[slot] = null;
    this.#devices[slot] = null;
    this.#takenCount -= 1;
    this.#nextFree[slot] = -1;
    if (this.#freeTail === -1) this.#freeHead = slot;
    else this.#nextFree[this.#freeTail] = slot;
    this.#freeTail = slot;
  }

  isTaken(slot: number): boolean {
    return ((this.state[slot] ?? 0) & SessionState.Taken) !== 0;
  }

  isOpen(slot: number): boolean {
    return ((this.state[slot] ?? 0) & SessionState.Open) !== 0;
  }

  isGranted(slot: number): boolean {
    return ((this.state[slot] ?? 0) & SessionState.Granted) !== 0;
  }

  /** The link of a taken slot. */
  link(slot: number): DeviceLink {
    const link = this.#links[slot];
    assert(link !== null && link !== undefined, "a taken slot has a link");
    return link;
  }

  /** `tenant/device` of an open session. */
  device(slot: number): string {
    const key = this.#devices[slot];
    assert(key !== null && key !== undefined, "an open session has a device");
    return key;
  }

  /** -1 when the device has no session here. */
  slotOfDevice(key: string): number {
    return this.#slotByDevice.find(hashOf(key, this.#seed), (slot) => this.#devices[slot] === key);
  }

  /** -1 when no session here has the ordinal. */
  slotOfOrdinal(ordinal: number): number {
    return this.#slotByOrdinal.find(ordinal | 0, (slot) => this.ordinal[slot] === ordinal);
  }

  localId(slot: number): number {
    return (((this.#incarnation[slot] as number) << SLOT_BITS) | slot) >>> 0;
  }

  /** The open session that a local id names; -1 when it is over. */
  slotOfLocalId(localId: number): number {
    const slot = localId & (MAX_SLOTS - 1);
    if (slot >= this.#fresh || !this.isOpen(slot)) return -1;
    return this.localId(slot) === localId >>> 0 ? slot : -1;
  }

  #forgetOrdinal(slot: number): void {
    const ordinal = this.ordinal[slot] as number;
    if (ordinal === 0) return;
    this.#slotByOrdinal.delete(ordinal | 0, slot);
  }

  #freeSlot(): number {
    if (this.#fresh < this.maxSlots && this.#freeHead === -1) {
      if (this.#fresh === this.state.length) this.#grow();
      const slot = this.#fresh;
      this.#fresh += 1;
      return slot;
    }
    const slot = this.#freeHead;
    if (slot === -1) return -1;
    this.#freeHead = this.#nextFree[slot] as number;
    if (this.#freeHead === -1) this.#freeTail = -1;
    return slot;
  }

  #grow(): void {
    const capacity = Math.min(this.state.length * 2, MAX_SLOTS);
    this.lastSeenMs = grown(this.lastSeenMs, new Float64Array(capacity));
    this.silenceLimitMs = grown(this.silenceLimitMs, new Uint32Array(capacity));
    this.ordinal = grown(this.ordinal, new Uint32Array(capacity));
    this.fence = grown(this.fence, new Float64Array(capacity));
    this.site = grown(this.site, new Uint32Array(capacity));
    this.keepAliveSeconds = grown(this.keepAliveSeconds, new Uint16Array(capacity));
    this.protocolLevel = grown(this.protocolLevel, new Uint8Array(capacity));
    this.codec = grown(this.codec, new Uint8Array(capacity));
    this.state = grown(this.state, new Uint16Array(capacity));
    this.#incarnation = grown(this.#incarnation, new Uint16Array(capacity));
    this.#nextFree = grown(this.#nextFree, new Int32Array(capacity));
  }
}
