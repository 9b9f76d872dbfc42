// SPDX-License-Identifier: Apache-2.0
/**
 * What every device did, one JSON object a line, in the order in which it was done: for checkers of
 * invariants, and for the next start. Lines are written in batches; a process that is killed loses
 * the last fraction of a second, as devices that lose power at once would not: after `kill -9` the
 * journal is a prefix of what was done.
 */
import { mkdir, open, readdir } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { DeviceMemory } from "./device-model.ts";
import type { Operation } from "./model-effects.ts";
import { JournalReader } from "./read-journal.ts";

const FILE_PATTERN = /^operations-\d+\.jsonl$/;
const FLUSH_EVERY_MS = 100;
/** What may wait for the disk: seconds of a whole swarm's work. Beyond it the swarm ends. */
const MAX_WAITING_BYTES = 64 * 2 ** 20;

/** Beside what a model does: its connection. */
export type JournalOperation =
  | Operation
  | { readonly op: "connect"; readonly gateway: string }
  | { readonly op: "disconnect"; readonly why: string };

/** A line. `at`: wall clock, milliseconds since 1970. */
export type JournalEntry = JournalOperation & { readonly at: number; readonly device: string };

/** Where the process of that number writes. */
export function journalFile(directory: string, part: number): string {
  return join(directory, `operations-${part}.jsonl`);
}

export class OperationJournal {
  readonly file: string;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  readonly #onRecord: (operation: JournalOperation) => void;
  #handle: FileHandle | null = null;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #cancelTimer: CancelTimer | null = null;
  #writing: Promise<void> = Promise.resolve();

  /** `onRecord`: told of each line; for counting. */
  constructor(options: {
    file: string;
    clock: Clock;
    onFailure: (error: unknown) => void;
    onRecord: (operation: JournalOperation) => void;
  }) {
    this.file = options.file;
    this.#onRecord = options.onRecord;
    this.#clock = options.clock;
    this.#onFailure = options.onFailure;
  }

  async open(): Promise<void> {
    await mkdir(join(this.file, ".."), { recursive: true, mode: 0o700 });
    this.#handle = await open(this.file, "a+", 0o600);
    const { size } = await this.#handle.stat();
    if (size === 0) return;
    const last = Buffer.alloc(1);
    await this.#handle.read(last, 0, 1, size - 1);
    // A line that a kill tore must not tear the next one too.
    if (last.toString() !== "\n") await this.#handle.appendFile("\n");
  }

  record(device: string, operation: JournalOperation): void {
    this.#onRecord(operation);
    const at = Math.floor(this.#clock.wallMs());
    const line = `${JSON.stringify({ at, device, ...operation })}\n`;
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      const message = "the journal of the pretended devices cannot be written fast enough";
      const detail = {
        file: this.file,
        hint: "put it on a faster disk, or simulate fewer devices",
      };
      this.#onFailure(new MusterError({ code: "resource_exhausted", message, detail }));
      this.#waiting = [];
      this.#waitingBytes = 0;
    }
    this.#cancelTimer ??= this.#clock.setTimer(FLUSH_EVERY_MS, this.#onTimer);
  }

  /** Resolves when what was recorded is in the file. */
  flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#handle?.close();
    this.#handle = null;
  }

  readonly #onTimer = (): void => {
    void this.flush();
  };

  async #write(): Promise<void> {
    const text = this.#waiting.join("");
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (text === "") return;
    try {
      await this.#handle?.appendFile(text);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const isFull = code === "ENOSPC" || code === "EDQUOT";
      this.#onFailure(
        new MusterError({
          code: isFull ? "no_space" : "failed_precondition",
          message: `writing the journal of the pretended devices failed (${code ?? "unknown"})`,
          detail: { file: this.file },
          cause,
        }),
      );
    }
  }
}

/** Whole lines of all journals in a folder, oldest first; what is torn is left out. */
export async function* readJournals(directory: string): AsyncGenerator<JournalEntry> {
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => FILE_PATTERN.test(name)).sort();
  let heads = await Promise.all(files.map((name) => headOf(readEntries(join(directory, name)))));
  for (;;) {
    heads = heads.filter(({ entry }) => entry !== null);
    // A device may have moved to another process between two runs: lines go by time.
    heads.sort((one, other) => (one.entry?.at ?? 0) - (other.entry?.at ?? 0));
    const [oldest] = heads;
    if (oldest === undefined || oldest.entry === null) return;
    yield oldest.entry;
    oldest.entry = (await headOf(oldest.entries)).entry;
  }
}

/** A journal that is read, and its next entry; null = it has ended. */
interface Head {
  readonly entries: AsyncGenerator<JournalEntry>;
  entry: JournalEntry | null;
}

async function headOf(entries: AsyncGenerator<JournalEntry>): Promise<Head> {
  const next = await entries.next();
  return { entries, entry: next.done === true ? null : next.value };
}

async function* readEntries(file: string): AsyncGenerator<JournalEntry> {
  await using handle = await open(file);
  for await (const line of handle.readLines()) {
    const entry = parseEntry(line);
    if (entry !== null) yield entry;
  }
}

/** What the journals of a folder say of these devices. */
export async function readMemories(
  directory: string,
  devices: ReadonlySet<string>,
): Promise<ReadonlyMap<string, DeviceMemory>> {
  const readers = new Map<string, JournalReader>();
  for await (const entry of readJournals(directory)) {
    const { device } = entry;
    if (!devices.has(device) || entry.op === "connect" || entry.op === "disconnect") continue;
    const reader = readers.get(device) ?? new JournalReader();
    readers.set(device, reader);
    reader.take(entry);
  }
  return new Map([...readers].map(([device, reader]) => [device, reader.memory()]));
}

function parseEntry(line: string): JournalEntry | null {
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    return null; // Torn by a kill.
  }
}
