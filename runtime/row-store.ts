// SPDX-License-Identifier: Apache-2.0
/**
 * The Store port over a store core, wherever that runs: checks limits and turns JSON into text and
 * back on the caller's side, so that a wrong argument fails in the caller's hands.
 */
import { isShared } from "../domain/shared-bytes.ts";
import type { Clock } from "../ports/clock.ts";
import { MAX_LISTED_AUDIT_ENTRIES, MAX_LISTED_DEVICES } from "../ports/store-limits.ts";
import { MAX_LISTED_DOCUMENTS, MAX_LOADED_PAGES, MAX_NAMED } from "../ports/store-limits.ts";
import { checkCount, checkLimit } from "../ports/limits.ts";
import { checkCommit, encodeJson } from "../ports/store-limits.ts";
import type { AuditQuery, AuditStretch, Commit, CommitResult, DeviceName } from "../ports/store.ts";
import type { DocumentKind } from "../ports/store.ts";
import type { Fence, Json, PageId, Store } from "../ports/store.ts";
import type { StoredDevice, StoredDocument, StoredPage } from "../ports/store.ts";
import type { StoreSpace, StoreStretch } from "../ports/store.ts";
import type { CallPort } from "./call-port.ts";
import type { CommitInput, DeviceRow, DocumentRow, StoreCalls } from "./store-calls.ts";

type Signalled = { readonly signal: AbortSignal };

export class RowStore implements Store, AsyncDisposable {
  readonly #calls: CallPort<StoreCalls>;
  readonly #clock: Clock;

  constructor(options: { calls: CallPort<StoreCalls>; clock: Clock }) {
    this.#calls = options.calls;
    this.#clock = options.clock;
  }

  async getDocument(
    kind: DocumentKind,
    key: string,
    options: Signalled,
  ): Promise<StoredDocument | null> {
    const row = await this.#calls.call("getDocument", { kind, key }, options);
    return row === null ? null : decodeDocument(row);
  }

  async getDocuments(
    kind: DocumentKind,
    keys: readonly string[],
    options: Signalled,
  ): Promise<readonly (StoredDocument | null)[]> {
    checkCount("documents to read", keys.length, MAX_NAMED);
    const rows = await this.#calls.call("getDocuments", { kind, keys }, options);
    return rows.map((row) => (row === null ? null : decodeDocument(row)));
  }

  async listDocuments(
    kind: DocumentKind,
    options: { prefix: string; after?: string; limit: number; signal: AbortSignal },
  ): Promise<readonly StoredDocument[]> {
    const { prefix, after = null, limit } = options;
    checkLimit("documents", limit, MAX_LISTED_DOCUMENTS);
    const input = { kind, prefix, after, limit };
    return (await this.#calls.call("listDocuments", input, options)).map(decodeDocument);
  }

  async getDevice(tenant: string, id: string, options: Signalled): Promise<StoredDevice | null> {
    const row = await this.#calls.call("getDevice", { tenant, id }, options);
    return row === null ? null : decodeDevice(row);
  }

  async getDeviceByOrdinal(ordinal: number, options: Signalled): Promise<StoredDevice | null> {
    const row = await this.#calls.call("getDeviceByOrdinal", { ordinal }, options);
    return row === null ? null : decodeDevice(row);
  }

  async getDevices(
    names: readonly DeviceName[],
    options: Signalled,
  ): Promise<readonly (StoredDevice | null)[]> {
    checkCount("devices to read", names.length, MAX_NAMED);
    const rows = await this.#calls.call("getDevices", { names }, options);
    return rows.map((row) => (row === null ? null : decodeDevice(row)));
  }

  async getDevicesByOrdinal(
    ordinals: readonly number[],
    options: Signalled,
  ): Promise<readonly (StoredDevice | null)[]> {
    checkCount("devices to read", ordinals.length, MAX_NAMED);
    const rows = await this.#calls.call("getDevicesByOrdinal", { ordinals }, options);
    return rows.map((row) => (row === null ? null : decodeDevice(row)));
  }

  async listDevices(options: {
    tenant: string | null;
    afterOrdinal: number;
    limit: number;
    signal: AbortSignal;
  }): Promise<readonly StoredDevice[]> {
    const { tenant, afterOrdinal, limit } = options;
    checkLimit("devices", limit, MAX_LISTED_DEVICES);
    const input = { tenant, afterOrdinal, limit };
    return (await this.#calls.call("listDevices", input, options)).map(decodeDevice);
  }

  async loadPages(ids: readonly PageId[], options: Signalled): Promise<readonly StoredPage[]> {
    checkCount("pages to load", ids.length, MAX_LOADED_PAGES);
    return await this.#calls.call("loadPages", { ids }, options);
  }

  async commit(commit: Commit, options: Signalled): Promise<CommitResult> {
    checkCommit(commit);
    const input = encodeCommit(commit, this.#clock.wallMs());
    const transfer = input.pages.flatMap(({ bytes }) =>
      bytes?.buffer instanceof ArrayBuffer ? [bytes.buffer] : [],
    );
    return await this.#calls.call("commit", input, { signal: options.signal, transfer });
  }

  acquireFence(name: string, options: Signalled): Promise<Fence> {
    return this.#calls.call("acquireFence", { name }, options);
  }

  async listAudit({ signal, ...query }: AuditQuery & Signalled): Promise<AuditStretch> {
    checkLimit("audit entries", query.limit, MAX_LISTED_AUDIT_ENTRIES);
    const { rows, next } = await this.#calls.call("listAudit", query, { signal });
    const entries = rows.map((row) => ({ ...row, detail: JSON.parse(row.detail) as Json }));
    return { entries, next };
  }

  measure(from: string, options: Signalled): Promise<StoreStretch> {
    return this.#calls.call("measure", { from }, options);
  }

  space(options: Signalled): Promise<StoreSpace> {
    return this.#calls.call("space", {}, options);
  }

  close(): Promise<void> {
    return this.#calls.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function encodeCommit(commit: Commit, atMs: number): CommitInput {
  const { fence = null, documents = [], devices = [], pages = [], audit = [] } = commit;
  return {
    fence,
    documents: documents.map(({ kind, key, expectedRevision, value }) => {
      const text = value === null ? null : encodeJson(value, `document ${kind}/${key}`);
      return { kind, key, expectedRevision, value: text };
    }),
    devices: devices.map(({ ordinal, tenant, id, expectedRevision, value }) => {
      const text = encodeJson(value, `device ${tenant}/${id}`);
      return { ordinal, tenant, id, expectedRevision, value: text };
    }),
    // Copied: the caller may go on using its page, and a view must not drag its whole buffer along.
    pages: pages.map(({ kind, owner, number, expectedVersion, bytes }) => {
      const own = bytes === null || isShared(bytes) ? bytes : new Uint8Array(bytes);
      return { kind, owner, number, expectedVersion, bytes: own };
    }),
    audit: audit.map(({ tenant, actor, action, subject, reason, detail }) => {
      const text = encodeJson(detail, `detail of audit entry ${action} ${subject}`);
      return { tenant, actor, action, subject, reason, detail: text };
    }),
    atMs,
  };
}

function decodeDocument(row: DocumentRow): StoredDocument {
  const { kind, key, revision, value } = row;
  return { kind, key, revision, value: JSON.parse(value) as Json };
}

function decodeDevice(row: DeviceRow): StoredDevice {
  const { ordinal, tenant, id, revision, value } = row;
  return { ordinal, tenant, id, revision, value: JSON.parse(value) as Json };
}
