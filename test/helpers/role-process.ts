// SPDX-License-Identifier: Apache-2.0
/**
 * A role as its own process, `node cli/main.ts center …`, that a test may stop, kill or start again.
 * The first start takes free ports; later ones take the same, so that its peers find it again.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { waitFor } from "./wait-for.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
/** A loaded machine with two cores starts a role in about two seconds. */
const READY_TIMEOUT_MS = 20_000;
/** A role drains for at most 15 s. */
const STOP_TIMEOUT_MS = 18_000;

/** Ports by name as in the ready file: `{ apiPort: 43_211, … }`. */
export type RolePorts = { readonly [name: string]: number };

export interface RoleProcess extends AsyncDisposable {
  /** Of the last start. */
  readonly ports: RolePorts;
  /** Of the last start; the process may have ended. */
  readonly pid: number;
  readonly logFile: string;
  /** What it wrote to its log so far, over all starts. */
  log(): Promise<string>;
  /** Sends a signal and returns at once: SIGSTOP, SIGCONT. */
  signal(name: NodeJS.Signals): void;
  /** Ends it at once, as a power cut would, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit status. SIGKILL when it does not drain in time. */
  stop(): Promise<number | null>;
  /** Starts it again after `kill` or `stop`, on the same ports; `extraWords` for this start only. */
  start(extraWords?: readonly string[]): Promise<void>;
}

/**
 * Starts `muster WORDS…` and waits until it is ready. `name` names its files in `folder`; `ports`
 * are the flags of its ports by their name in the ready file: `{ apiPort: "--api-port" }`.
 */
export async function startRoleProcess(options: {
  name: string;
  folder: string;
  words: readonly string[];
  ports: { readonly [name: string]: string };
  environment?: NodeJS.ProcessEnv;
}): Promise<RoleProcess> {
  const role = new Role(options);
  await role.start();
  return role;
}

class Role implements RoleProcess {
  readonly logFile: string;
  readonly #readyFile: string;
  readonly #options: Parameters<typeof startRoleProcess>[0];
  #child: ChildProcess | null = null;
  #ports: RolePorts = {};

  constructor(options: Parameters<typeof startRoleProcess>[0]) {
    this.#options = options;
    this.#readyFile = `${options.folder}/${options.name}.ready.json`;
    this.logFile = `${options.folder}/${options.name}.log`;
  }

  get ports(): RolePorts {
    return this.#ports;
  }

  get pid(): number {
    return this.#running().pid ?? 0;
  }

  log(): Promise<string> {
    return readFile(this.logFile, "utf8");
  }

  signal(name: NodeJS.Signals): void {
    this.#running().kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#running();
    child.kill("SIGKILL");
    await exited(child);
  }

  async stop(): Promise<number | null> {
    const child = this.#running();
    child.kill("SIGCONT"); // A stopped process takes no SIGTERM.
    child.kill("SIGTERM");
    const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const status = await exited(child);
    clearTimeout(overdue);
    return status;
  }

  async start(extraWords: readonly string[] = []): Promise<void> {
    const { words, ports, name } = this.#options;
    await rm(this.#readyFile, { force: true });
    const portWords = Object.entries(ports).flatMap(([fact, flag]) => [
      flag,
      `${this.#ports[fact] ?? 0}`,
    ]);
    const files = ["--ready-file", this.#readyFile, "--log-file", this.logFile];
    const all = [MAIN, ...words, ...portWords, ...files, "--log-level", "debug", ...extraWords];
    const child = spawn(process.execPath, all, {
      cwd: this.#options.folder,
      env: this.#options.environment ?? process.env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    const facts = await waitFor(
      `${name} is ready`,
      async () => {
        assert.ok(!hasEnded(child), `${name} ended before it was ready: ${said}`);
        return readFile(this.#readyFile, "utf8").catch(() => null);
      },
      READY_TIMEOUT_MS,
    ).catch((error: unknown) => {
      child.kill("SIGKILL");
      throw error;
    });
    this.#ports = readPorts(facts, Object.keys(ports));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== null && !hasEnded(this.#child)) await this.stop();
  }

  #running(): ChildProcess {
    assert.ok(this.#child !== null, "a role process is started before it is used");
    return this.#child;
  }
}

function readPorts(readyFacts: string, names: readonly string[]): RolePorts {
  const facts = JSON.parse(readyFacts) as { readonly [name: string]: unknown };
  return Object.fromEntries(names.map((name) => [name, Number(facts[name])]));
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function exited(child: ChildProcess): Promise<number | null> {
  if (hasEnded(child)) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => void child.once("exit", (status) => resolve(status)));
}
