// SPDX-License-Identifier: Apache-2.0
/**
 * What a command sees of the world around it: streams, environment, time, randomness, and the wish
 * of the person at the keyboard to stop. Commands take it as an option and touch `process` nowhere,
 * so a test runs them with streams of its own.
 *
 * Data goes to `stdout`; everything else (progress, notes, errors) goes to `stderr`.
 */
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { ParentChannel } from "../gateway/main.ts";
import type { Interrupt } from "./interrupt.ts";

/** A stream that may be a terminal. */
export type OutputStream = Writable & {
  readonly isTTY?: boolean;
  /** Width in columns, where it is a terminal. */
  readonly columns?: number;
  readonly rows?: number;
};

/** This program as a process: what it takes to be several. */
export interface OwnProgram {
  /** What starts it once more, before the words of a command. */
  readonly command: string;
  readonly args: readonly string[];
  /** The process that started this one as a part of itself; null: nobody did. */
  readonly parent: ParentChannel | null;
  /** Calls `listener` at each SIGHUP, which ends the process otherwise. */
  onHangup(listener: () => void): void;
}

export interface Shell {
  readonly stdin: Readable;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly environment: { readonly [name: string]: string | undefined };
  readonly clock: Clock;
  readonly random: Random;
  readonly interrupt: Interrupt;
  /** Not there where commands run inside of another program. */
  readonly program?: OwnProgram;
  /** Exit status if the command returns: 0 unless it says otherwise here. */
  setExitStatus(status: 0 | 1 | 2): void;
}

/** Says something to the person, on standard error. */
export function note(shell: Pick<Shell, "stderr">, text: string): void {
  shell.stderr.write(`${text}\n`);
}

/** Writes data, waiting while the reader of a pipe is slow. */
export async function writeData(shell: Pick<Shell, "stdout">, text: string): Promise<void> {
  if (shell.stdout.write(text)) return;
  await new Promise<void>((resolve) => {
    shell.stdout.once("drain", resolve);
    shell.stdout.once("close", resolve);
  });
}

/** The whole of standard input as text; at most `maxBytes`, else null. */
export async function readStdin(
  shell: Pick<Shell, "stdin">,
  maxBytes: number,
): Promise<string | null> {
  const chunks: Buffer[] = [];
  let byteCount = 0;
  for await (const chunk of shell.stdin) {
    const bytes = Buffer.from(chunk as Uint8Array | string);
    byteCount += bytes.length;
    if (byteCount > maxBytes) return null;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
