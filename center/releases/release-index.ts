// SPDX-License-Identifier: Apache-2.0
/**
 * Published releases, in memory: by name and version, and by the digest that devices report. Small:
 * a few facts a release; limit 10,000, for what is published is kept for ever.
 */
import { z } from "zod";
import { SLOT_NAMES, type SlotName } from "../../domain/running-page.ts";
import type { Store } from "../../ports/store.ts";

export interface ReleaseRecord {
  readonly tenant: string;
  readonly name: string;
  readonly version: string;
  readonly slot: SlotName;
  /** SHA-256 (hex) of the manifest. */
  readonly sha256: string;
  readonly manifestBytes: number;
  readonly downloadBytes: number;
  readonly fits: { readonly [fact: string]: readonly string[] };
  /** The lowest version from which it can be installed; "" = any. */
  readonly floor: string;
  readonly publishedAtMs: number;
  readonly publishedBy: string;
}

export const MAX_RELEASES = 10_000;

const stored: z.ZodType<ReleaseRecord> = z.object({
  tenant: z.string(),
  name: z.string(),
  version: z.string(),
  slot: z.enum(SLOT_NAMES),
  sha256: z.string(),
  manifestBytes: z.int(),
  downloadBytes: z.number(),
  fits: z.record(z.string(), z.array(z.string())),
  floor: z.string().default(""),
  publishedAtMs: z.number(),
  publishedBy: z.string(),
});

/** `tenant/name@version`. */
export function releaseKey(tenant: string, name: string, version: string): string {
  return `${tenant}/${name}@${version}`;
}

export class ReleaseIndex {
  private readonly byKey = new Map<string, ReleaseRecord>();
  private readonly byDigest = new Map<string, ReleaseRecord>();

  static async load(store: Store, signal: AbortSignal): Promise<ReleaseIndex> {
    const index = new ReleaseIndex();
    let after: string | undefined;
    for (;;) {
      const page = await store.listDocuments("release", {
        prefix: "",
        ...(after === undefined ? {} : { after }),
        limit: 1_000,
        signal,
      });
      for (const document of page) index.add(stored.parse(document.value));
      after = page.at(-1)?.key;
      if (page.length < 1_000) return index;
    }
  }

  add(release: ReleaseRecord): void {
    this.byKey.set(releaseKey(release.tenant, release.name, release.version), release);
    this.byDigest.set(release.sha256, release);
  }

  get(tenant: string, name: string, version: string): ReleaseRecord | undefined {
    return this.byKey.get(releaseKey(tenant, name, version));
  }

  byManifestDigest(sha256: string): ReleaseRecord | undefined {
    return this.byDigest.get(sha256);
  }

  get count(): number {
    return this.byKey.size;
  }

  /** Of one tenant, by key. */
  list(tenant: string): ReleaseRecord[] {
    return [...this.byKey.entries()]
      .filter(([, release]) => release.tenant === tenant)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, release]) => release);
  }
}
