// SPDX-License-Identifier: Apache-2.0
/**
 * A terminal as a reader has it open: one bash for as long as the tutorial takes, in which blocks
 * of commands are typed one after the other. Linux only: who is interrupted is looked up in /proc.
 *
 * Blocks reach bash over a pipe of its own, so that programs find an empty standard input. What
 * they print, on both outputs, goes to one file in the order in which they print it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Writable } from "node:stream";

/**
 * Takes a block up to a zero byte, runs it in this shell, and prints the exit status of its last
 * command and how many commands failed. The last one counts twice: eval fails with it.
 */
const LOOP = String.raw`
trap 'failures=$((failures + 1))' ERR
while IFS= read -r -d '' -u 3 block; do
  failures=0
  eval "$block" 3<&-
  printf '\036%s %s\036' "$?" "$failures"
done`;

/** Before and after what LOOP says of a block: no program of the tutorial prints it. */
const MARK = "\u001E";

export type BlockState =
  | { readonly kind: "running"; readonly output: string }
  | {
      readonly kind: "ended";
      readonly output: string;
      readonly exitStatus: number;
      /** Before the last command. */
      readonly hasFailedEarlier: boolean;
    };

export class Terminal implements AsyncDisposable {
  readonly name: string;
  readonly #shell: ChildProcess;
  readonly #file: string;
  /** Where in the file the output of the block typed last begins. */
  #start = 0;

  private constructor(name: string, shell: ChildProcess, file: string) {
    this.name = name;
    this.#shell = shell;
    this.#file = file;
  }

  /** `environment` is all that the shell gets; the file with its output is made in `folder`. */
  static async open(options: {
    name: string;
    folder: string;
    workingFolder: string;
    environment: { readonly [name: string]: string };
  }): Promise<Terminal> {
    const { name, folder, workingFolder, environment } = options;
    const file = join(await mkdtemp(join(folder, "terminal-")), name);
    await using output = await open(file, "a");
    const shell = spawn("bash", ["--noprofile", "--norc", "-c", LOOP], {
      cwd: workingFolder,
      env: environment,
      stdio: ["ignore", output.fd, output.fd, "pipe"],
      // A process group of its own, which `dispose` ends whole.
      detached: true,
    });
    await once(shell, "spawn");
    return new Terminal(name, shell, file);
  }

  async type(block: string): Promise<void> {
    this.#start = (await readFile(this.#file, "utf8")).length;
    (this.#shell.stdio[3] as Writable).write(`${block}\0`);
  }

  /** Of the block typed last. */
  async state(): Promise<BlockState> {
    const text = (await readFile(this.#file, "utf8")).slice(this.#start);
    const [output = "", ending, rest] = text.split(MARK);
    if (ending === undefined || rest === undefined) return { kind: "running", output };
    const [exitStatus = 0, failureCount] = ending.split(" ").map(Number);
    const hasFailedEarlier = failureCount !== (exitStatus === 0 ? 0 : 2);
    return { kind: "ended", output, exitStatus, hasFailedEarlier };
  }

  /** Ctrl-C: the program that runs in the foreground gets SIGINT. */
  async interrupt(): Promise<void> {
    for (const pid of await childrenOf(this.#shell.pid ?? 0)) process.kill(pid, "SIGINT");
  }

  /** Whatever still runs in it is killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const shell = this.#shell;
    if (shell.pid === undefined) return;
    const hasEnded = shell.exitCode !== null || shell.signalCode !== null;
    const ended = hasEnded ? null : once(shell, "exit");
    try {
      process.kill(-shell.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    await ended;
  }
}

/** The processes whose parent is `pid` (proc_pid_stat(5): the field after the state). */
async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended between the two calls.
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(parent) === pid) children.push(Number(name));
  }
  return children;
}
