// SPDX-License-Identifier: Apache-2.0
/**
 * A role of Muster as a child process, as an operator would start it: its own command line, data
 * folder, log file and ready file. Ends with its parent only if it is stopped: whoever starts one
 * disposes it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { MusterError } from "../../domain/errors.ts";
import { delay, type Clock } from "../../ports/clock.ts";

/** What the ready file says: pid and ports. */
export type ReadyFacts = { readonly [name: string]: unknown };

export interface RoleProcessOptions {
  /** For messages: `gateway gw-1`. */
  readonly name: string;
  /** As after `muster`: `["center", "--data", …]`. */
  readonly args: readonly string[];
  /** Files `{fileBase}.ready.json` and `{fileBase}.log` belong to it. */
  readonly fileBase: string;
  /** The command `muster`; default: the one beside this program. */
  readonly launcher?: string;
  readonly environment?: { readonly [name: string]: string | undefined };
  /** Of the process that it replaces, at the same addresses: true until its own are known. */
  readonly before?: ReadyFacts;
  readonly clock: Clock;
}

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 25;
/** A role drains for 15 s at most. */
const STOP_TIMEOUT_MS = 20_000;

/** The command `muster`; this file lies in cli/demo of a clone, in dist/cli/demo of a package. */
function launcherFile(): string {
  const root = import.meta.url.endsWith(".ts") ? "../.." : "../../..";
  return fileURLToPath(new URL(`${root}/bin/muster.js`, import.meta.url));
}

export class RoleProcess implements AsyncDisposable {
  readonly name: string;
  private readonly options: RoleProcessOptions;
  private child: ChildProcess | null = null;
  private ready: ReadyFacts;

  constructor(options: RoleProcessOptions) {
    this.name = options.name;
    this.options = options;
    this.ready = options.before ?? {};
  }

  /** Starts it and waits until it does its work. Throws `unavailable` with its log's last line. */
  async start(signal: AbortSignal): Promise<ReadyFacts> {
    const { args, fileBase, environment, clock, launcher = launcherFile() } = this.options;
    const readyFile = `${fileBase}.ready.json`;
    await rm(readyFile, { force: true });
    const child = spawn(
      process.execPath,
      [launcher, ...args, "--ready-file", readyFile, "--log-file", `${fileBase}.log`],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...environment } },
    );
    this.child = child;
    let lastWords = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      lastWords = (lastWords + text).slice(-2_000);
    });
    const deadlineMs = clock.monotonicMs() + READY_TIMEOUT_MS;
    for (;;) {
      const text = await readFile(readyFile, "utf8").catch(() => null);
      if (text !== null) {
        this.ready = JSON.parse(text) as ReadyFacts;
        return this.ready;
      }
      if (child.exitCode !== null || child.signalCode !== null) break;
      if (clock.monotonicMs() > deadlineMs) break;
      await delay(clock, POLL_MS, signal);
    }
    throw new MusterError({
      code: "unavailable",
      message: `${this.name} did not start: ${lastWords.trim() || "it said nothing"}`,
      detail: { file: `${fileBase}.log`, hint: "the log file says more" },
    });
  }

  get facts(): ReadyFacts {
    return this.ready;
  }

  /** A port from the ready file. */
  port(name: string): number {
    const value = this.ready[name];
    if (typeof value === "number") return value;
    throw new Error(`assertion failed: ${this.name} said no port ${name}`);
  }

  get isRunning(): boolean {
    const { child } = this;
    return child !== null && child.exitCode === null && child.signalCode === null;
  }

  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    this.child?.kill(name);
  }

  /** Resolves when the process has ended, however. */
  async ended(): Promise<void> {
    const { child } = this;
    if (child === null || !this.isRunning) return;
    await new Promise<void>((resolve) => child.once("exit", () => resolve()));
  }

  /** As by a power cut: nothing is flushed, no handler runs. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }

  /** SIGTERM, then after the drain deadline SIGKILL. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    const cancel = this.options.clock.setTimer(STOP_TIMEOUT_MS, () => this.signal("SIGKILL"));
    await this.ended();
    cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
