// SPDX-License-Identifier: Apache-2.0
/**
 * The store over SQLite, synchronous: each method is one statement or one transaction. In the
 * center it runs in a worker thread (`worker-store.ts`); in simulation it is called directly
 * (`direct-store.ts`). A commit checks the fence, deletes pages, then swaps documents, devices and
 * pages in the order given, and adds the audit entries; the first that does not match undoes all.
 * Deletions come first, so that a file that may not grow takes what fits into the room they free:
 * retention works where it is needed most.
 */
import type { AuditQuery, CommitResult, DeviceName, Fence } from "../../ports/store.ts";
import type {
  DocumentKind,
  PageId,
  StoredPage,
  StoreSpace,
  StoreStretch,
} from "../../ports/store.ts";
import { openSqliteFile } from "../../runtime/sqlite-file.ts";
import type { SqliteFile, SqliteFileFacts, WriteOutcome } from "../../runtime/sqlite-file.ts";
import { Audit } from "./audit.ts";
import { Devices } from "./devices.ts";
import { Documents } from "./documents.ts";
import { Fences } from "./fences.ts";
import { STORE_MIGRATIONS } from "./migrations/all.ts";
import { Pages } from "./pages.ts";
import type { AuditRows, CommitInput, DeviceListInput } from "../../runtime/store-calls.ts";
import type {
  DeviceRow,
  DocumentListInput,
  DocumentRow,
  StoreCalls,
} from "../../runtime/store-calls.ts";
import { Usage } from "./usage.ts";

/** "MSTS": Muster store. Marks the file as ours for good. */
const STORE_APPLICATION_ID = 0x4d_53_54_53;

export interface StoreCoreOptions {
  /** The database file, or `:memory:`. */
  readonly path: string;
  /** `no_space` beyond it; default: as far as the disk goes. */
  readonly maxFileBytes?: number;
}

/** Opens or creates the file; throws what `openSqliteFile` throws. */
export function openStoreCore(options: StoreCoreOptions): StoreCore {
  const file = openSqliteFile({
    ...options,
    what: "store",
    applicationId: STORE_APPLICATION_ID,
    migrations: STORE_MIGRATIONS,
  });
  return new StoreCore({
    file,
    documents: Documents.prepare(file.database),
    devices: Devices.prepare(file.database),
    pages: Pages.prepare(file.database),
    fences: Fences.prepare(file.database),
    audit: Audit.prepare(file.database),
    usage: Usage.prepare(file.database),
  });
}

export class StoreCore implements StoreCalls {
  readonly #file: SqliteFile;
  readonly #documents: Documents;
  readonly #devices: Devices;
  readonly #pages: Pages;
  readonly #fences: Fences;
  readonly #audit: Audit;
  readonly #usage: Usage;

  constructor(parts: {
    file: SqliteFile;
    documents: Documents;
    devices: Devices;
    pages: Pages;
    fences: Fences;
    audit: Audit;
    usage: Usage;
  }) {
    this.#file = parts.file;
    this.#documents = parts.documents;
    this.#devices = parts.devices;
    this.#pages = parts.pages;
    this.#fences = parts.fences;
    this.#audit = parts.audit;
    this.#usage = parts.usage;
  }

  get facts(): SqliteFileFacts {
    return this.#file.facts;
  }

  getDocument(input: { kind: DocumentKind; key: string }): DocumentRow | null {
    return this.#file.read("read a document", () => this.#documents.get(input.kind, input.key));
  }

  getDocuments(input: { kind: DocumentKind; keys: readonly string[] }): (DocumentRow | null)[] {
    const { kind, keys } = input;
    return this.#file.read("read documents", () =>
      keys.map((key) => this.#documents.get(kind, key)),
    );
  }

  listDocuments(input: DocumentListInput): DocumentRow[] {
    return this.#file.read("list documents", () => this.#documents.list(input));
  }

  getDevice(input: { tenant: string; id: string }): DeviceRow | null {
    return this.#file.read("read a device", () => this.#devices.get(input.tenant, input.id));
  }

  getDeviceByOrdinal(input: { ordinal: number }): DeviceRow | null {
    return this.#file.read("read a device", () => this.#devices.getByOrdinal(input.ordinal));
  }

  getDevices(input: { names: readonly DeviceName[] }): (DeviceRow | null)[] {
    return this.#file.read("read devices", () =>
      input.names.map(({ tenant, id }) => this.#devices.get(tenant, id)),
    );
  }

  getDevicesByOrdinal(input: { ordinals: readonly number[] }): (DeviceRow | null)[] {
    return this.#file.read("read devices", () =>
      input.ordinals.map((ordinal) => this.#devices.getByOrdinal(ordinal)),
    );
  }

  listDevices(input: DeviceListInput): DeviceRow[] {
    return this.#file.read("list devices", () => this.#devices.list(input));
  }

  loadPages(input: { ids: readonly PageId[] }): StoredPage[] {
    return this.#file.read("load pages", () => this.#pages.load(input.ids));
  }

  commit(input: CommitInput): CommitResult {
    return this.#file.write("commit to the store", () => this.#write(input));
  }

  acquireFence(input: { name: string }): Fence {
    return this.#file.write("draw a fencing token", () => ({
      keep: true,
      result: this.#fences.draw(input.name),
    }));
  }

  listAudit(input: AuditQuery): AuditRows {
    return this.#file.read("list the audit log", () => this.#audit.list(input));
  }

  measure(input: { from: string }): StoreStretch {
    return this.#file.read("measure the store", () => this.#usage.measure(input.from));
  }

  space(): StoreSpace {
    return { ...this.#file.space(), isRemote: false };
  }

  close(): void {
    this.#file.close();
  }

  #write(input: CommitInput): WriteOutcome<CommitResult> {
    if (input.fence !== null && !this.#fences.isNewest(input.fence)) {
      return refuse("stale-fence", `fence ${input.fence.name}`);
    }
    for (const page of input.pages) {
      if (page.bytes !== null || this.#pages.write(page)) continue;
      return refuse("conflict", nameOf(page));
    }
    for (const document of input.documents) {
      if (this.#documents.write(document)) continue;
      return refuse("conflict", `document ${document.kind}/${document.key}`);
    }
    const ordinals: number[] = [];
    for (const device of input.devices) {
      const ordinal = this.#devices.write(device);
      if (ordinal === null) return refuse("conflict", `device ${device.tenant}/${device.id}`);
      ordinals.push(ordinal);
    }
    for (const page of input.pages) {
      if (page.bytes === null || this.#pages.write(page)) continue;
      return refuse("conflict", nameOf(page));
    }
    const auditSequence = this.#audit.append(input.audit, input.atMs);
    return { keep: true, result: { ok: true, ordinals, auditSequence } };
  }
}

function nameOf({ kind, owner, number }: PageId): string {
  return `page ${kind}/${owner}/${number}`;
}

function refuse(reason: "stale-fence" | "conflict", at: string): WriteOutcome<CommitResult> {
  return { keep: false, result: { ok: false, reason, at } };
}
