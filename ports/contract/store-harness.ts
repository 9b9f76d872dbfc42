// SPDX-License-Identifier: Apache-2.0
/** What an engine gives to the Store's contract, and the short forms in which its tests write. */
import assert from "node:assert/strict";
import type { Commit, CommitResult, Json, Store } from "../store.ts";
import { NEVER as signal } from "./helpers.ts";

/** Where the suite's clock begins. */
export const CONTRACT_START_MS = 1_700_000_000_000;

/** An engine in the hands of the suite. Disposing closes and removes everything. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: Store;
  /** Closes the store and opens it again on the same data. */
  reopen(): Promise<void>;
  /** Loses the store as a crash does, in the midst of what it is doing, and opens it again. */
  crash(): Promise<void>;
}

export type OpenStore = () => Promise<StoreUnderTest>;

/** The commit succeeds; returns what it says. */
export async function accept(
  store: Store,
  commit: Commit,
): Promise<Extract<CommitResult, { ok: true }>> {
  const result = await store.commit(commit, { signal });
  assert(result.ok, `refused: ${JSON.stringify(result)}`);
  return result;
}

/** One write of a setting. */
export function setting(key: string, value: Json | null, expectedRevision = 0): Commit {
  return { documents: [{ kind: "setting", key, expectedRevision, value }] };
}

/** Registers new devices. */
export function register(tenant: string, ...ids: string[]): Commit {
  return {
    devices: ids.map((id) => ({ ordinal: 0, tenant, id, expectedRevision: 0, value: { id } })),
  };
}

/** One audit entry. */
export function note(subject: string, tenant = "default", detail: Json = null): Commit {
  const who = { tenant, actor: "operator:kim", action: "rollout.start" };
  return { audit: [{ ...who, subject, reason: "because", detail }] };
}
