// SPDX-License-Identifier: Apache-2.0
/**
 * What Muster remembers: documents (rollouts, releases, tokens, gateways …), devices, packed pages
 * (plans, attempts, what each device runs) and the audit log. Strong consistency: a commit is
 * all-or-nothing, durable when it returns, and visible to every later read.
 *
 * A caller never holds a transaction. It reads, decides, and hands over one `Commit` in which each
 * write names the revision it was decided on; an engine only compares and swaps. Every change
 * carries its audit entries, so the log cannot miss one.
 *
 * Limits: 2,000 writes a commit (a batch of 1,000 devices with their tokens fits), 1 MiB a
 * document, 1 MiB a page.
 */

/** Every kind of document there is. The key's first part is the tenant, then the name. */
export type DocumentKind =
  | "operator-token"
  | "enrolment-token"
  | "release"
  | "rollout"
  | "plan"
  /** What a device said when an attempt failed: rare, so a row of its own. */
  | "attempt-detail"
  | "attempt-output"
  /** How far a rollout's latest stop has got. */
  | "stop-reach"
  | "gateway"
  | "certificate"
  /** Keys of devices that speak CoAP under OSCORE. */
  | "oscore"
  | "idempotency"
  | "setting";

export const MAX_COMMIT_WRITES = 2_000;
export const MAX_DOCUMENT_BYTES: number = 1 << 20;
export const MAX_PAGE_BYTES: number = 1 << 20;

/** JSON-serialisable content. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** A stored document. `revision` is 1 after the first write and grows by one with each. */
export interface StoredDocument {
  readonly kind: DocumentKind;
  readonly key: string;
  readonly revision: number;
  readonly value: Json;
}

/**
 * A device as registered. `ordinal` is a uint32, one space per installation, given by the Store
 * in order of registration from 1, never reused (0 means "none").
 */
export interface StoredDevice {
  readonly ordinal: number;
  readonly tenant: string;
  readonly id: string;
  readonly revision: number;
  readonly value: Json;
}

/** What a device is known by to people: unique. */
export interface DeviceName {
  readonly tenant: string;
  readonly id: string;
}

/** Packed columns. What `number` counts is the owner's affair: positions/4096 or ordinals/4096. */
export type PageKind =
  /** owner = rollout number: ordinal by position. */
  | "plan"
  /** owner = rollout number: one attempt cell a position. */
  | "attempt"
  /** owner = "fleet": what each device runs and its generation counter, by ordinal. */
  | "running"
  /** owner = "fleet": in which hours of the week each device was online, by ordinal. */
  | "availability";

export interface PageId {
  readonly kind: PageKind;
  readonly owner: string;
  readonly number: number;
}

export interface StoredPage extends PageId {
  /** 1 after the first write, then grows by one. */
  readonly version: number;
  /** The whole of a buffer of its own. */
  readonly bytes: Uint8Array;
}

/** `expectedRevision` 0 = must not exist yet. `value` null deletes (the revision must match). */
export interface DocumentWrite {
  readonly kind: DocumentKind;
  readonly key: string;
  readonly expectedRevision: number;
  readonly value: Json | null;
}

/** `ordinal` 0 registers a new device (conflict if tenant + id exists); else updates that row. */
export interface DeviceWrite {
  readonly ordinal: number;
  readonly tenant: string;
  readonly id: string;
  readonly expectedRevision: number;
  readonly value: Json;
}

/**
 * `expectedVersion` 0 = must not exist yet. `bytes` null deletes (the version must match). Bytes in
 * shared memory are read where they are: they stay as they are until the commit is settled, and
 * for ever when it was given up. Of others the Store has its own copy when `commit` returns.
 */
export interface PageWrite extends PageId {
  readonly expectedVersion: number;
  readonly bytes: Uint8Array | null;
}

/** A write that is no deletion. */
export interface PageContent extends PageWrite {
  readonly bytes: Uint8Array;
}

/** One audit entry as the caller states it; the Store adds sequence, time and the hash chain. */
export interface AuditDraft {
  readonly tenant: string;
  /** `operator:NAME`, `device:ID`, `gateway:ID`, `system:TASK`. */
  readonly actor: string;
  /** `rollout.start`, `release.publish`, … noun.verb. */
  readonly action: string;
  /** What was changed: `rollout/default/app-2`. */
  readonly subject: string;
  /** Why, in the actor's words; "" where nobody gave one. */
  readonly reason: string;
  readonly detail: Json;
}

/**
 * An entry of the log. `hash` = SHA-256 (hex) over the canonical JSON of the entry without `hash`,
 * which includes `previousHash` (64 zeros for the first): removing, changing or reordering entries
 * breaks the chain.
 */
export interface AuditEntry extends AuditDraft {
  /** From 1, without gaps. */
  readonly sequence: number;
  /** Wall time, milliseconds since 1970. */
  readonly atMs: number;
  readonly previousHash: string;
  readonly hash: string;
}

/** Which entries of the log are listed: those that meet all of it. */
export interface AuditQuery {
  /** null = of all. */
  readonly tenant: string | null;
  /** Only later ones; 0 = from the first. */
  readonly afterSequence: number;
  /** Only earlier ones; default: up to the newest. */
  readonly beforeSequence?: number;
  /** Default: the oldest first. */
  readonly newestFirst?: boolean;
  /**
   * `*` is any characters and `?` one. It is met by the whole of a subject, or by the whole of what
   * follows one of its slashes: `app-2` and `default/app-*` are met by `rollout/default/app-2`.
   */
  readonly subject?: string;
  /** The same of an actor, and of what follows its colon. */
  readonly actor?: string;
  /** Only those of this wall time or later, wherever they stand: the clock may have jumped. */
  readonly sinceMs?: number;
  /** ≤ 1,000. */
  readonly limit: number;
}

/** At most as many as were asked for; fewer, or none, where 20,000 were looked at for them. */
export interface AuditStretch {
  readonly entries: readonly AuditEntry[];
  /** The sequence to go on after (newest first: before); null = that was the end. */
  readonly next: number | null;
}

/** A leader's right to write. The Store refuses a commit whose fence is not the newest. */
export interface Fence {
  readonly name: string;
  readonly token: number;
}

export interface Commit {
  readonly fence?: Fence;
  readonly documents?: readonly DocumentWrite[];
  readonly devices?: readonly DeviceWrite[];
  readonly pages?: readonly PageWrite[];
  readonly audit?: readonly AuditDraft[];
}

export type CommitResult =
  | {
      readonly ok: true;
      /** Ordinals of `devices`, in the order given. */
      readonly ordinals: readonly number[];
      /** The newest audit sequence after this commit. */
      readonly auditSequence: number;
    }
  | {
      readonly ok: false;
      /** `stale-fence`: another leader is newer. `conflict`: `at` has another revision. */
      readonly reason: "stale-fence" | "conflict";
      /**
       * The first write that did not match: `document rollout/default/app-2`, `page attempt/7/0`.
       */
      readonly at: string;
    };

/** How large the Store is, and how far it may grow. */
export interface StoreSpace {
  /** With what is free inside and with indexes. */
  readonly fileBytes: number;
  /** Was deleted, and will be written again before the files grow; null = cannot be known. */
  readonly reusableBytes: number | null;
  /** `fileBytes` never grows beyond it; null = as far as its disk goes. */
  readonly limitBytes: number | null;
  /** On a server's disk, which is not that of the data folder; how full it is, is not known. */
  readonly isRemote: boolean;
}

/** Rows of one part and owner, as they lie in one stretch of the Store. */
export interface StorePart {
  /** `document KIND`, `page KIND`, `devices`, `audit log`. */
  readonly part: string;
  /** The first part of a document's key or of a page's owner; else the tenant. */
  readonly owner: string;
  readonly rowCount: number;
  /** Of content: indexes, and what is empty in between, come on top. */
  readonly contentBytes: number;
}

export interface StoreStretch {
  readonly parts: readonly StorePart[];
  /** Where the next stretch begins; null = this was the last. */
  readonly next: string | null;
}

/**
 * Every method throws MusterError: `no_space` (disk full), `corrupt`, `unavailable`, `too_large`.
 */
export interface Store {
  getDocument(
    kind: DocumentKind,
    key: string,
    options: { signal: AbortSignal },
  ): Promise<StoredDocument | null>;

  /** In the order asked for, null where there is none; at most 1,000 keys. */
  getDocuments(
    kind: DocumentKind,
    keys: readonly string[],
    options: { signal: AbortSignal },
  ): Promise<readonly (StoredDocument | null)[]>;

  /** In key order, after `after`, only keys that start with `prefix`; at most `limit` (≤ 1,000). */
  listDocuments(
    kind: DocumentKind,
    options: { prefix: string; after?: string; limit: number; signal: AbortSignal },
  ): Promise<readonly StoredDocument[]>;

  getDevice(
    tenant: string,
    id: string,
    options: { signal: AbortSignal },
  ): Promise<StoredDevice | null>;

  getDeviceByOrdinal(
    ordinal: number,
    options: { signal: AbortSignal },
  ): Promise<StoredDevice | null>;

  /** In the order asked for, null where there is none; at most 1,000 names. */
  getDevices(
    names: readonly DeviceName[],
    options: { signal: AbortSignal },
  ): Promise<readonly (StoredDevice | null)[]>;

  /** In the order asked for, null where there is none; at most 1,000 ordinals. */
  getDevicesByOrdinal(
    ordinals: readonly number[],
    options: { signal: AbortSignal },
  ): Promise<readonly (StoredDevice | null)[]>;

  /**
   * In ordinal order, after `afterOrdinal`; of one tenant or, with null, of all; `limit` ≤ 10,000.
   */
  listDevices(options: {
    tenant: string | null;
    afterOrdinal: number;
    limit: number;
    signal: AbortSignal;
  }): Promise<readonly StoredDevice[]>;

  /** Pages that do not exist are left out of the answer. At most 1,000 ids a call. */
  loadPages(
    ids: readonly PageId[],
    options: { signal: AbortSignal },
  ): Promise<readonly StoredPage[]>;

  /** All or nothing, durable when it resolves. */
  commit(commit: Commit, options: { signal: AbortSignal }): Promise<CommitResult>;

  /** Draws a new, higher token for `name`; every older token is refused from then on. */
  acquireFence(name: string, options: { signal: AbortSignal }): Promise<Fence>;

  listAudit(query: AuditQuery & { readonly signal: AbortSignal }): Promise<AuditStretch>;

  /**
   * What takes room, a stretch of some thousand rows at a time: from "" on, then from `next`. Rows
   * that are written meanwhile may be missing.
   */
  measure(from: string, options: { signal: AbortSignal }): Promise<StoreStretch>;

  space(options: { signal: AbortSignal }): Promise<StoreSpace>;

  close(): Promise<void>;
}
