// SPDX-License-Identifier: Apache-2.0
/**
 * The installation's dictionary of release digests: pages keep a 2-byte index instead of 32 bytes.
 * Index 0 is "nothing installed". It only grows; at its limit further foreign digests share one
 * index, which equals no release: such a device is never taken for one that runs something known.
 */
import type { DocumentWrite, Store } from "../../ports/store.ts";
import { z } from "zod";

/** 0xffff is UNKNOWN_RELEASE in attempt pages, so the last usable index is one below. */
const OVERFLOW_INDEX = 0xfffe;
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

  static async load(store: Store, signal: AbortSignal): Promise<DigestDictionary> {
    const document = await store.getDocument("setting", KEY, { signal });
    if (document === null) return new DigestDictionary([""], 0);
    return new DigestDictionary(stored.parse(document.value), document.revision);
  }

  /** The index of a digest (64 hex characters, or "" for nothing), adding it when new. */
  indexOf(digest: string): number {
    const known = this.indexes.get(digest);
    if (known !== undefined) return known;
    if (this.digests.length >= OVERFLOW_INDEX) return OVERFLOW_INDEX;
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
