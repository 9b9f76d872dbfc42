// SPDX-License-Identifier: Apache-2.0
/**
 * Finds slots by a key that lies elsewhere, in a column of whoever keeps the slots: a hash table of
 * two numbers a cell (open addressing, linear probing, at most three quarters full), so 11 to 22
 * bytes a slot. A Map took 29 to 58 beside its keys, and stood still for a tenth of a second when a
 * million grew.
 */
const EMPTY = -1;
const FIRST_CELLS = 64;

export class SlotIndex {
  /** By cell: the slot, and the hash of its key. */
  #slots: Int32Array = new Int32Array(FIRST_CELLS).fill(EMPTY);
  #hashes: Int32Array = new Int32Array(FIRST_CELLS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The slot with this hash for which `isIt` says yes; -1 when there is none. */
  find(hash: number, isIt: (slot: number) => boolean): number {
    const cell = this.#cellOf(hash, isIt);
    return cell === EMPTY ? -1 : (this.#slots[cell] as number);
  }

  /** Under this key is now `slot`; `isIt` finds what was there before. */
  set(hash: number, slot: number, isIt: (slot: number) => boolean): void {
    const known = this.#cellOf(hash, isIt);
    if (known !== EMPTY) {
      this.#slots[known] = slot;
      return;
    }
    if ((this.#count + 1) * 4 > this.#slots.length * 3) this.#grow();
    this.#put(hash, slot);
    this.#count += 1;
  }

  /** Forgets the slot; does nothing when it is not there under this hash. */
  delete(hash: number, slot: number): void {
    let hole = this.#cellOf(hash, (other) => other === slot);
    if (hole === EMPTY) return;
    this.#count -= 1;
    const mask = this.#slots.length - 1;
    // Who follows in the same run moves up, unless the hole lies before its own first cell.
    for (let cell = (hole + 1) & mask; this.#slots[cell] !== EMPTY; cell = (cell + 1) & mask) {
      const home = spread(this.#hashes[cell] as number) & mask;
      if (((cell - home) & mask) < ((cell - hole) & mask)) continue;
      this.#slots[hole] = this.#slots[cell] as number;
      this.#hashes[hole] = this.#hashes[cell] as number;
      hole = cell;
    }
    this.#slots[hole] = EMPTY;
  }

  #cellOf(hash: number, isIt: (slot: number) => boolean): number {
    const mask = this.#slots.length - 1;
    for (let cell = spread(hash) & mask; ; cell = (cell + 1) & mask) {
      const slot = this.#slots[cell] as number;
      if (slot === EMPTY) return EMPTY;
      if (this.#hashes[cell] === hash && isIt(slot)) return cell;
    }
  }

  #put(hash: number, slot: number): void {
    const mask = this.#slots.length - 1;
    let cell = spread(hash) & mask;
    while (this.#slots[cell] !== EMPTY) cell = (cell + 1) & mask;
    this.#slots[cell] = slot;
    this.#hashes[cell] = hash;
  }

  #grow(): void {
    const slots = this.#slots;
    const hashes = this.#hashes;
    this.#slots = new Int32Array(slots.length * 2).fill(EMPTY);
    this.#hashes = new Int32Array(slots.length * 2);
    for (let cell = 0; cell < slots.length; cell += 1) {
      if (slots[cell] !== EMPTY) this.#put(hashes[cell] as number, slots[cell] as number);
    }
  }
}

/** Neighbours (ordinals are given in a row) shall not form runs. */
function spread(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return mixed ^ (mixed >>> 16);
}

/** FNV-1a with a seed, so that nobody outside knows which texts fall together. 32 bits, signed. */
export function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash | 0;
}
