// SPDX-License-Identifier: Apache-2.0
/** A store in which the test decides how the next commits end. Everything else is the real one. */
import { MusterError } from "../../../domain/errors.ts";
import type { Commit, CommitResult, Store } from "../../../ports/store.ts";

/** `answer-lost`: it takes place, and nobody hears of it. */
export type Fault = "conflict" | "no_space" | "answer-lost" | "away";

export interface FaultyStore extends Store {
  /** For the next commit, once each. */
  readonly faults: Fault[];
  /** So many of the next lists of documents fail: the server is not back yet. */
  failingLists: number;
}

export function faultyStore(store: Store): FaultyStore {
  const faults: Fault[] = [];
  const commit = async (
    writes: Commit,
    options: { signal: AbortSignal },
  ): Promise<CommitResult> => {
    const fault = faults.shift();
    if (fault === "away") throw away();
    if (fault === "conflict") return { ok: false, reason: "conflict", at: "document rollout/x" };
    if (fault === "no_space") {
      throw new MusterError({ code: "no_space", message: "the disk is full" });
    }
    const result = await store.commit(writes, options);
    if (fault === "answer-lost") {
      throw away();
    }
    return result;
  };
  return {
    faults,
    failingLists: 0,
    commit,
    getDocument: (kind, key, options) => store.getDocument(kind, key, options),
    async listDocuments(kind, options) {
      if (this.failingLists > 0) {
        this.failingLists -= 1;
        throw away();
      }
      return await store.listDocuments(kind, options);
    },
    getDocuments: (kind, keys, options) => store.getDocuments(kind, keys, options),
    getDevices: (names, options) => store.getDevices(names, options),
    getDevicesByOrdinal: (ordinals, options) => store.getDevicesByOrdinal(ordinals, options),
    getDevice: (tenant, id, options) => store.getDevice(tenant, id, options),
    getDeviceByOrdinal: (ordinal, options) => store.getDeviceByOrdinal(ordinal, options),
    listDevices: (options) => store.listDevices(options),
    loadPages: (ids, options) => store.loadPages(ids, options),
    acquireFence: (name, options) => store.acquireFence(name, options),
    listAudit: (options) => store.listAudit(options),
    measure: (from, options) => store.measure(from, options),
    space: (options) => store.space(options),
    close: () => store.close(),
  };
}

function away(): MusterError {
  return new MusterError({ code: "unavailable", message: "the connection was lost" });
}
