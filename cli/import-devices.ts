// SPDX-License-Identifier: Apache-2.0
/**
 * Imports a CSV of devices. The file is read twice: once to judge every row, once to send the good
 * ones in batches, so that a bad last row stops the import before its first one, and a million rows
 * need no million objects in memory.
 */
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { MusterError } from "../domain/errors.ts";
import { openSession, type Session } from "./client.ts";
import { readDeviceCsv, type DeviceRow } from "./documents/device-csv.ts";
import { fileError } from "./files.ts";
import type { ConnectionOptions } from "./options.ts";
import { countOf } from "./output/units.ts";
import { printError, SeveralErrors } from "./print-error.ts";
import { createProgress, type Progress } from "./progress/progress.ts";
import type { Shell } from "./shell.ts";

/** The most that one call of the API takes. */
const BATCH_DEVICES = 1_000;
/** More bad rows than this are counted, not listed. */
const LISTED_ERRORS = 50;

export interface ImportOptions extends ConnectionOptions {
  readonly reason?: string;
  readonly skipBad?: boolean;
  readonly dryRun?: boolean;
  readonly tokens?: string;
  /** Of the tokens, milliseconds. */
  readonly lifetime: number;
}

/** Counts of devices: what was done, or after a dry run what was found. */
export type ImportResult =
  | {
      readonly created: number;
      readonly updated: number;
      readonly unchanged: number;
      readonly skipped: number;
    }
  | { readonly good: number; readonly bad: number };

export async function importDevices(request: {
  shell: Shell;
  file: string;
  options: ImportOptions;
}): Promise<ImportResult> {
  const { shell, file, options } = request;
  const { good, bad, errors } = await judge(file);
  if (bad > 0) report({ shell, file, options, bad, errors });
  if (options.dryRun === true) return { good, bad };
  const session = await openSession(shell, options);
  await using tokens = await openTokens(options.tokens);
  using progress = createProgress({
    stream: shell.stderr,
    isTty: shell.stderr.isTTY === true,
    clock: shell.clock,
  });
  const sender = new BatchSender({ session, options, tokens, progress, total: good });
  for await (const row of readDeviceCsv(createReadStream(file), file)) {
    if ("device" in row) await sender.add(row.device);
  }
  await sender.flush();
  return { ...sender.result, skipped: bad };
}

async function judge(
  file: string,
): Promise<{ good: number; bad: number; errors: readonly MusterError[] }> {
  const errors: MusterError[] = [];
  let good = 0;
  let bad = 0;
  try {
    for await (const row of readDeviceCsv(createReadStream(file), file)) {
      if ("device" in row) good += 1;
      else if (++bad <= LISTED_ERRORS) errors.push(row.error);
    }
  } catch (error) {
    throw error instanceof Error && "syscall" in error
      ? fileError("reading the devices", file, error)
      : error;
  }
  return { good, bad, errors };
}

/** Prints every bad row; throws unless bad rows are to be skipped. */
function report(options: {
  shell: Shell;
  file: string;
  options: ImportOptions;
  bad: number;
  errors: readonly MusterError[];
}): void {
  const { shell, file, bad, errors } = options;
  const skip = options.options.skipBad === true;
  const summary = new MusterError({
    code: "invalid_argument",
    message: skip
      ? `${countOf(bad, "bad row")} left out`
      : `${countOf(bad, "bad row")}; nothing was imported`,
    detail: {
      file,
      ...(skip ? {} : { hint: "correct them, or leave them out with --skip-bad" }),
    },
  });
  const all = new SeveralErrors([...errors, summary]);
  if (!skip) throw all;
  printError(shell, all);
}

interface TokenFile extends AsyncDisposable {
  write(text: string): Promise<void>;
}

/** Opened before anything is sent: a file that cannot be written must not cost a token. */
async function openTokens(path: string | undefined): Promise<TokenFile | null> {
  if (path === undefined) return null;
  let handle: FileHandle;
  try {
    handle = await open(path, "wx", 0o600);
  } catch (error) {
    throw fileError("making the file of tokens", path, error);
  }
  await handle.write("id,token\n");
  return {
    write: async (text) => void (await handle.write(text)),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

class BatchSender {
  result = { created: 0, updated: 0, unchanged: 0 };
  readonly #session: Session;
  readonly #options: ImportOptions;
  readonly #tokens: TokenFile | null;
  readonly #bar: ReturnType<Progress["bar"]>;
  #batch: DeviceRow[] = [];
  #sent = 0;

  constructor(options: {
    session: Session;
    options: ImportOptions;
    tokens: TokenFile | null;
    progress: Progress;
    total: number;
  }) {
    this.#session = options.session;
    this.#options = options.options;
    this.#tokens = options.tokens;
    this.#bar = options.progress.bar("import", options.total);
  }

  async add(device: DeviceRow): Promise<void> {
    this.#batch.push(device);
    if (this.#batch.length === BATCH_DEVICES) await this.flush();
  }

  async flush(): Promise<void> {
    const devices = this.#batch;
    this.#batch = [];
    if (devices.length > 0) await this.#send(devices);
    if (devices.length < BATCH_DEVICES) this.#bar.finish();
  }

  async #send(devices: DeviceRow[]): Promise<void> {
    const { client, tenant, call } = this.#session;
    const mutation = this.#session.mutation(this.#options.reason);
    const response = await client.registerDevices({ mutation, tenant, devices }, call);
    this.result.created += response.created;
    this.result.updated += response.updated;
    this.result.unchanged += response.unchanged;
    if (this.#tokens !== null) await this.#enrol(devices, this.#tokens);
    this.#sent += devices.length;
    this.#bar.update(this.#sent);
  }

  async #enrol(devices: readonly DeviceRow[], file: TokenFile): Promise<void> {
    const { client, tenant, call } = this.#session;
    const { tokens } = await client.enrolDevices(
      {
        mutation: this.#session.mutation(this.#options.reason),
        tenant,
        devices: devices.map(({ id }) => id),
        lifetimeMs: BigInt(this.#options.lifetime),
      },
      call,
    );
    await file.write(devices.map(({ id }, index) => `${id},${tokens[index]}\n`).join(""));
  }
}
