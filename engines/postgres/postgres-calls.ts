// SPDX-License-Identifier: Apache-2.0
/**
 * The store's core on PostgreSQL: each call is one statement or one transaction, on a connection of
 * the pool.
 *
 * A commit checks the fence, writes deletions of pages, documents, devices and then pages in the
 * order given, and adds the audit entries; the first that does not match undoes all. What every
 * center writes, the audit log, comes last, so that it is locked for the shortest time.
 */
import { MusterError } from "../../domain/errors.ts";
import type { CommitResult, Fence, PageId, StoreSpace } from "../../ports/store.ts";
import { closedError } from "../../runtime/call-port.ts";
import type { CallOptions, CallPort, InputOf, OutputOf } from "../../runtime/call-port.ts";
import type { CommitInput, StoreCalls } from "../../runtime/store-calls.ts";
import type { ClientBase } from "pg";
import { appendAudit, listAudit } from "./audit.ts";
import type { Connections } from "./connections.ts";
import { getDevices, getDevicesByOrdinal, listDevices, writeDevices } from "./devices.ts";
import { getDocuments, listDocuments, writeDocuments } from "./documents.ts";
import { drawFence, isNewestFence } from "./fences.ts";
import { lockFence } from "./locks.ts";
import { loadPages, writePages } from "./pages.ts";
import { transact, type Outcome } from "./transaction.ts";
import { measureStretch } from "./usage.ts";

/**
 * As many as the embedded store takes: a center has some tens of loops and API requests at work,
 * and who comes after a thousand waiting is better told so than kept waiting.
 */
const MAX_PENDING_CALLS = 1_024;

type Handlers = {
  readonly [M in keyof StoreCalls]: (
    input: InputOf<StoreCalls, M>,
    signal: AbortSignal,
  ) => Promise<OutputOf<StoreCalls, M>>;
};

export class PostgresCalls implements CallPort<StoreCalls> {
  readonly #connections: Connections;
  readonly #handlers: Handlers;
  readonly #pending = new Set<Promise<unknown>>();
  #closed: Promise<void> | null = null;

  constructor(connections: Connections) {
    this.#connections = connections;
    this.#handlers = handlersOver(connections);
  }

  async call<M extends keyof StoreCalls>(
    method: M,
    input: InputOf<StoreCalls, M>,
    { signal }: CallOptions,
  ): Promise<OutputOf<StoreCalls, M>> {
    signal.throwIfAborted();
    if (this.#closed !== null) throw closedError("store");
    if (this.#pending.size >= MAX_PENDING_CALLS) throw this.#full();
    const run = this.#handlers[method];
    const work = run(input, signal);
    this.#pending.add(work);
    work.catch(() => undefined).finally(() => this.#pending.delete(work));
    return await unlessAborted(work, signal);
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await Promise.allSettled(this.#pending);
      await this.#connections.end();
    })();
    return this.#closed;
  }

  #full(): MusterError {
    return new MusterError({
      code: "unavailable",
      message: `the store has ${MAX_PENDING_CALLS} calls waiting and takes no more`,
      detail: { hint: "try again later; if it lasts, its server is too slow for this load" },
    });
  }
}

function handlersOver(connections: Connections): Handlers {
  const reading =
    <I, O>(attempted: string, read: (client: ClientBase, input: I) => Promise<O>) =>
    (input: I, signal: AbortSignal): Promise<O> =>
      connections.read(attempted, signal, (client) => read(client, input));
  return {
    getDocument: reading("read a document", async (client, { kind, key }) => {
      return (await getDocuments(client, kind, [key]))[0] ?? null;
    }),
    getDocuments: reading("read documents", (client, { kind, keys }) =>
      getDocuments(client, kind, keys),
    ),
    listDocuments: reading("list documents", listDocuments),
    getDevice: reading("read a device", async (client, name) => {
      return (await getDevices(client, [name]))[0] ?? null;
    }),
    getDeviceByOrdinal: reading("read a device", async (client, { ordinal }) => {
      return (await getDevicesByOrdinal(client, [ordinal]))[0] ?? null;
    }),
    getDevices: reading("read devices", (client, { names }) => getDevices(client, names)),
    getDevicesByOrdinal: reading("read devices", (client, { ordinals }) =>
      getDevicesByOrdinal(client, ordinals),
    ),
    listDevices: reading("list devices", listDevices),
    loadPages: reading("load pages", (client, { ids }) => loadPages(client, ids)),
    listAudit: reading("list the audit log", listAudit),
    measure: reading("measure the store", (client, { from }) => measureStretch(client, from)),
    space: reading("measure the store", readSpace),
    commit: (input, signal) => commit(connections, input, signal),
    acquireFence: (input, signal) => acquireFence(connections, input.name, signal),
  };
}

function commit(
  connections: Connections,
  input: CommitInput,
  signal: AbortSignal,
): Promise<CommitResult> {
  return transact(connections, {
    attempted: "commit to the store",
    first: input.fence === null ? "" : lockFence(input.fence.name, "share"),
    work: (client) => write(client, input),
    signal,
  });
}

function acquireFence(connections: Connections, name: string, signal: AbortSignal): Promise<Fence> {
  return transact(connections, {
    attempted: "draw a fencing token",
    first: lockFence(name, "exclusive"),
    work: async (client) => ({ keep: true, result: await drawFence(client, name) }),
    signal,
  });
}

async function write(client: ClientBase, input: CommitInput): Promise<Outcome<CommitResult>> {
  const { fence, documents, devices, pages, audit, atMs } = input;
  if (fence !== null && !(await isNewestFence(client, fence))) {
    return refuse("stale-fence", `fence ${fence.name}`);
  }
  const deletions = pages.filter((page) => page.bytes === null);
  const contents = pages.filter((page) => page.bytes !== null);
  const undeleted = await writePages(client, deletions);
  if (undeleted !== null) return refuse("conflict", pageName(undeleted));
  const document = await writeDocuments(client, documents);
  if (document !== null) return refuse("conflict", `document ${document.kind}/${document.key}`);
  const written = await writeDevices(client, devices);
  if ("mismatch" in written) {
    const { tenant, id } = written.mismatch;
    return refuse("conflict", `device ${tenant}/${id}`);
  }
  const page = await writePages(client, contents);
  if (page !== null) return refuse("conflict", pageName(page));
  const auditSequence = await appendAudit(client, audit, atMs);
  return { keep: true, result: { ok: true, ordinals: written.ordinals, auditSequence } };
}

function pageName({ kind, owner, number }: PageId): string {
  return `page ${kind}/${owner}/${number}`;
}

function refuse(reason: "stale-fence" | "conflict", at: string): Outcome<CommitResult> {
  return { keep: false, result: { ok: false, reason, at } };
}

/** What is free inside, and on the server's disk, PostgreSQL does not tell without extensions. */
async function readSpace(client: ClientBase): Promise<StoreSpace> {
  const text = "SELECT pg_database_size(current_database()) AS size";
  const { rows } = await client.query<{ size: number }>(text);
  const fileBytes = rows[0]?.size ?? 0;
  return { fileBytes, reusableBytes: null, limitBytes: null, isRemote: true };
}

/** The signal's reason as soon as it aborts; the work goes on and looks at the signal itself. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
