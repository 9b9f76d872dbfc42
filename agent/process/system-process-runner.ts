// SPDX-License-Identifier: Apache-2.0
/**
 * Runs programs as process groups of their own, so that a time-out ends the children too. Every
 * program that must not outlive the agent carries STEP_MARKER in its environment: after a `kill -9`
 * of the agent the next one finds such orphans by it (orphans.ts).
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { MAX_OUTPUT_CHARACTERS } from "./process-runner.ts";
import type { ProcessRequest, ProcessResult, ProcessRunner } from "./process-runner.ts";

/** Its value is the agent's data folder. */
export const STEP_MARKER = "MUSTER_STEP_OF";
/** Between asking a program to end and ending it. */
const GRACE_MS = 2_000;
/** What programs inherit. Nothing else: the agent's own environment may hold a token. */
const INHERITED = ["PATH", "HOME", "LANG", "TZ", "USER"];

export interface SystemProcessRunnerOptions {
  readonly clock: Clock;
  readonly dataDirectory: string;
  /** The agent's own environment, of which programs get the few names above. */
  readonly environment: NodeJS.ProcessEnv;
  /** Each fact is `MUSTER_INVENTORY_name`: a health check may depend on the hardware it runs on. */
  readonly inventory: { readonly [fact: string]: string };
}

export function systemProcessRunner(options: SystemProcessRunnerOptions): ProcessRunner {
  return {
    run: (request) =>
      request.signal.aborted
        ? Promise.resolve({ kind: "aborted" })
        : new Run({ ...options, request }).result,
  };
}

/** One program, from its start until the group is gone. */
class Run {
  readonly result: Promise<ProcessResult>;
  readonly #request: ProcessRequest;
  readonly #clock: Clock;
  readonly #child: ChildProcess;
  readonly #resolve: (result: ProcessResult) => void;
  #output = "";
  #cause: "timed-out" | "aborted" | null = null;
  #cancelTimer: CancelTimer;

  constructor(options: SystemProcessRunnerOptions & { request: ProcessRequest }) {
    const { clock, request } = options;
    this.#request = request;
    this.#clock = clock;
    const { promise, resolve } = Promise.withResolvers<ProcessResult>();
    this.result = promise;
    this.#resolve = resolve;
    const [program = "", ...programArguments] = request.run;
    const pipe = request.mayLeaveProcesses ? "ignore" : "pipe";
    this.#child = spawn(program, programArguments, {
      cwd: request.folder,
      env: environmentOf(options),
      stdio: ["ignore", pipe, pipe],
      detached: true,
    });
    this.#cancelTimer = clock.setTimer(request.timeoutMs, () => this.#onTimeout());
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#keep(chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => this.#keep(chunk));
    this.#child.once("error", (error: NodeJS.ErrnoException) => {
      this.#finish({ kind: "not-started", why: error.code ?? "unknown error" });
    });
    this.#child.once("exit", () => {
      // Whoever still holds the pipes must go, or "close" would wait for it.
      if (!request.mayLeaveProcesses) this.#signalGroup("SIGKILL");
    });
    this.#child.once("close", (exitCode, signalName) => this.#onClose(exitCode, signalName));
    request.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = (): void => {
    this.#cause ??= "aborted";
    this.#signalGroup("SIGKILL");
  };

  #onTimeout(): void {
    this.#cause ??= "timed-out";
    this.#signalGroup("SIGTERM");
    this.#cancelTimer = this.#clock.setTimer(GRACE_MS, () => this.#signalGroup("SIGKILL"));
  }

  #onClose(exitCode: number | null, signalName: string | null): void {
    const output = this.#output;
    if (this.#cause === "aborted") this.#finish({ kind: "aborted" });
    else if (this.#cause === "timed-out") this.#finish({ kind: "timed-out", output });
    else if (exitCode !== null) this.#finish({ kind: "exited", exitCode, output });
    else this.#finish({ kind: "signalled", signalName: signalName ?? "a signal", output });
  }

  #finish(result: ProcessResult): void {
    this.#cancelTimer();
    this.#request.signal.removeEventListener("abort", this.#onAbort);
    this.#resolve(result);
  }

  #keep(chunk: Buffer): void {
    const { output } = this.#request;
    if (output !== undefined) return output(chunk);
    this.#output = (this.#output + chunk.toString("utf8")).slice(-MAX_OUTPUT_CHARACTERS);
  }

  #signalGroup(signalName: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signalName);
    } catch {
      // The group is gone already, which is what was wanted.
    }
  }
}

function environmentOf(
  options: SystemProcessRunnerOptions & { request: ProcessRequest },
): NodeJS.ProcessEnv {
  const { request, dataDirectory } = options;
  const environment: NodeJS.ProcessEnv = {};
  for (const name of INHERITED) {
    const value = options.environment[name];
    if (value !== undefined) environment[name] = value;
  }
  for (const [fact, value] of Object.entries(options.inventory)) {
    environment[`MUSTER_INVENTORY_${fact}`] = value;
  }
  if (!request.mayLeaveProcesses) environment[STEP_MARKER] = dataDirectory;
  return { ...environment, ...request.environment };
}
