// SPDX-License-Identifier: Apache-2.0
/**
 * The installation's dictionary of release digests: pages keep a 2-byte index instead of 32 bytes.
 * Index 0 is "nothing installed". It only grows; beyond a limit, foreign digests that devices
 * report share one index, which equals no release: such a device is never taken for one that runs
 * something known. The rest is kept for what rollouts bring, so that no device can use it up.
 */
import type { DocumentWrite, Store } from "../../ports/store.ts";
import { z } from "zod";

/** 0xffff is UNKNOWN_RELEASE in attempt pages, so the last usable index is one below. */
export const OVERFLOW_INDEX = 0xfffe;
/** A document holds 1 MiB, a digest takes 67 bytes of it: 10,000 releases and these fit. */
export const MAX_REPORTED_DIGESTS = 5_000;
const MAX_DIGESTS = 15_000;
const KEY = "digests";
const stored = z.array(z.string());

export class DigestDictionary {
  private readonly digests: string[];
  private readonly indexes: Map<string, number>;
  private revision: number;
  private savedCount: number;

  private constructor(digests: string[], revision: number) {
    this.digests = digests;
    this.indexes = new Map(digests.map((digest, index) => [digest, index]));
    this.revision = revision;
    this.savedCount = revision === 0 ? 0 : digests.length;
  }

  /** `previous`: of before a commit that failed; what it gave indexes to keeps them. */
  static async load(
    store: Store,
    signal: AbortSignal,
    previous: DigestDictionary | null = null,
  ): Promise<DigestDictionary> {
    const document = await store.getDocument("setting", KEY, { signal });
    if (previous !== null) {
      const dictionary = new DigestDictionary(previous.digests, document?.revision ?? 0);
      dictionary.savedCount = document === null ? 0 : stored.parse(document.value).length;
      return dictionary;
    }
    if (document === null) return new DigestDictionary([""], 0);
    return new DigestDictionary(stored.parse(document.value), document.revision);
  }

  /** The index of a digest that a device reports (64 hex characters, or ""), adding a new one. */
  indexOf(digest: string): number {
    return this.indexWithin(digest, MAX_REPORTED_DIGESTS);
  }

  /** The index of what a rollout is to bring; −1, which no device has, when there is no room. */
  targetIndexOf(digest: string): number {
    const index = this.indexWithin(digest, MAX_DIGESTS);
    return index === OVERFLOW_INDEX ? -1 : index;
  }

  private indexWithin(digest: string, limit: number): number {
    const known = this.indexes.get(digest);
    if (known !== undefined) return known;
    if (this.digests.length >= limit) return OVERFLOW_INDEX;
    const index = this.digests.length;
    this.digests.push(digest);
    this.indexes.set(digest, index);
    return index;
  }

  /** The digest of an index; "" for nothing and for indexes that were never given. */
  digestOf(index: number): string {
    return this.digests[index] ?? "";
  }

  /** What must be committed with pages that use new indexes; null when nothing is new. */
  pendingWrite(): DocumentWrite | null {
    if (this.savedCount === this.digests.length) return null;
    return {
      kind: "setting",
      key: KEY,
      expectedRevision: this.revision,
      value: [...this.digests],
    };
  }

  /** The commit that held `pendingWrite` succeeded. */
  committed(): void {
    this.revision++;
    this.savedCount = this.digests.length;
  }
}
