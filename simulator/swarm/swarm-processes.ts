// SPDX-License-Identifier: Apache-2.0
/**
 * A swarm over several processes, for more devices than one can hold. Each has a share of the
 * devices and writes files of its own number into the one data folder; who has which device may
 * change from run to run, for every process reads all files.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { MusterError } from "../../domain/errors.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { siblingModule } from "../../runtime/worker-call.ts";
import { decodeError } from "../../runtime/worker-messages.ts";
import type { FromPart, PartOptions, ToPart } from "./process-messages.ts";
import { deviceOfToken } from "./enrol-swarm.ts";
import { addCounts, zeroCounts } from "./swarm-stats.ts";
import type { SwarmStats } from "./swarm-stats.ts";

/** Each is told once, and says goodbye for its devices within seconds. */
const STOP_TIMEOUT_MS = 10_000;

export interface SwarmProcessesOptions extends PartOptions {
  readonly processCount: number;
  readonly clock: Clock;
  /** Aborting it while they start gives up. */
  readonly signal: AbortSignal;
  readonly onEnrolled: (deviceCount: number) => void;
}

/** What a command needs of a swarm, however many processes it has. */
export interface SwarmHandle {
  stats(): SwarmStats;
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** Resolves when every device has an identity. Throws what a process fails with. */
export async function startSwarmProcesses(options: SwarmProcessesOptions): Promise<SwarmHandle> {
  const parts = new SwarmParts(options);
  try {
    await parts.start();
    return parts;
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

interface Part {
  readonly child: ChildProcess;
  readonly options: PartOptions;
  readonly started: PromiseWithResolvers<void>;
  readonly ended: Promise<void>;
  enrolledCount: number;
  stats: SwarmStats;
}

class SwarmParts implements SwarmHandle {
  readonly failed: Promise<never>;
  readonly #options: SwarmProcessesOptions;
  readonly #parts: Part[] = [];
  readonly #fail: (error: unknown) => void;
  #stopping: Promise<void> | null = null;

  constructor(options: SwarmProcessesOptions) {
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.failed.catch(() => {}); // Whoever waits for it gets the failure.
    this.#fail = reject;
  }

  async start(): Promise<void> {
    const { signal } = this.#options;
    for (const options of sharesOf(this.#options)) this.#parts.push(this.#spawn(options));
    const onAbort = (): void => this.#fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const started = Promise.all(this.#parts.map((part) => part.started.promise));
    await Promise.race([started, this.failed]);
    signal.removeEventListener("abort", onAbort);
  }

  stats(): SwarmStats {
    return addCounts(this.#parts.map(({ stats }) => stats));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end(): Promise<void> {
    let cancel: CancelTimer = () => {};
    for (const { child } of this.#parts) if (child.connected) child.send(stopMessage());
    cancel = this.#options.clock.setTimer(STOP_TIMEOUT_MS, () => {
      for (const { child } of this.#parts) child.kill("SIGKILL");
    });
    await Promise.all(this.#parts.map(({ ended }) => ended));
    cancel();
  }

  #spawn(options: PartOptions): Part {
    const child = fork(siblingModule("swarm-process", import.meta.url), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
    });
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const started = Promise.withResolvers<void>();
    const stats = { ...zeroCounts(), devices: options.devices.length };
    const part: Part = { child, options, started, ended, enrolledCount: 0, stats };
    child.on("message", (message: FromPart) => this.#hear(part, message));
    child.once("error", (cause) => this.#fail(processEnded(cause)));
    child.once("exit", () => {
      if (this.#stopping === null) this.#fail(processEnded(undefined));
    });
    child.send({ kind: "start", options } satisfies ToPart);
    return part;
  }

  #hear(part: Part, message: FromPart): void {
    switch (message.kind) {
      case "enrolled":
        part.enrolledCount = message.deviceCount;
        return this.#options.onEnrolled(
          this.#parts.reduce((sum, { enrolledCount }) => sum + enrolledCount, 0),
        );
      case "started":
        return part.started.resolve();
      case "stats":
        part.stats = message.stats;
        return;
      case "failed":
        return this.#fail(decodeError(message.error));
    }
  }
}

function stopMessage(): ToPart {
  return { kind: "stop" };
}

/** Devices in order, as evenly as they go, each with the tokens of its own. */
function sharesOf(options: SwarmProcessesOptions): readonly PartOptions[] {
  const { processCount, clock: _clock, signal: _signal, onEnrolled: _told, ...whole } = options;
  const { devices, tokens = [], tenant = "default" } = whole;
  const byDevice = new Map(tokens.map((token) => [deviceOfToken(token, tenant), token]));
  return Array.from({ length: processCount }, (_, part) => {
    const begin = Math.floor((devices.length * part) / processCount);
    const end = Math.floor((devices.length * (part + 1)) / processCount);
    const share = devices.slice(begin, end);
    const ownTokens = share.flatMap(({ id }) => byDevice.get(id) ?? []);
    return { ...whole, part, devices: share, tokens: ownTokens };
  });
}

function processEnded(cause: unknown): MusterError {
  return new MusterError({
    code: "internal",
    message: "a process of the swarm ended before it was told to",
    detail: {
      hint: "it may have run out of memory; simulate fewer devices, or use more processes",
    },
    cause,
  });
}
