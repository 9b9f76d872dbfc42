// SPDX-License-Identifier: Apache-2.0
/** The devices: `load/load.c`, one process, told line by line what to do. */
import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { createInterface } from "node:readline";
import { MusterError } from "../../../domain/errors.ts";
import { build, endProcess } from "./tools.ts";

/** What the load says at the end of each command. */
export interface LoadAnswer {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly acknowledged: number;
  readonly received: number;
  /** Publish to acknowledgement. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** Messages of a `beat` that were due, and those of them that could not be sent. */
  readonly due: number;
  readonly skipped: number;
  /** Lines of a `flood`, or malformed packets, that were sent. */
  readonly flooded: number;
  /** Connections that were lost during `beat`, and until they were all, or 99 %, back; -1: not. */
  readonly closed: number;
  readonly back99Ms: number;
  readonly backAllMs: number;
  /** CLOCK_MONOTONIC, ns: the command's begin, its first and its last message. */
  readonly startNs: bigint;
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

export interface Load {
  readonly say: (command: string) => Promise<LoadAnswer>;
  /** Its process stands still from now on: its connections stay open, say and read nothing. */
  readonly pause: () => void;
  /** Ends a `beat` before its time. */
  readonly finish: () => void;
  readonly stop: () => Promise<void>;
}

/** Throws `failed_precondition` when there is no C compiler. */
export async function startLoad(options: {
  port: number;
  deviceCount: number;
  /** Number of the first device's id. Default 0. */
  firstDevice?: number;
  /**
   * Gives way to every other process: devices that make a storm have machines of their own, and
   * must not take the processor from who measures what the storm does. Default false.
   */
  givesWay?: boolean;
}): Promise<Load> {
  const program = await build("load/load.c");
  if (program === null) {
    throw new MusterError({
      code: "failed_precondition",
      message: "the load of this bench is written in C, and there is no C compiler",
      detail: { hint: "install gcc and libc6-dev" },
    });
  }
  const { port, deviceCount, firstDevice = 0, givesWay = false } = options;
  const words = ["127.0.0.1", String(port), String(deviceCount), String(firstDevice)];
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
  if (givesWay && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    say: async (command) => {
      child.stdin.write(`${command}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error(`the load ended during ${command}`);
      return parseAnswer(line.value);
    },
    pause: () => void child.kill("SIGSTOP"),
    finish: () => void child.kill("SIGUSR1"),
    stop: () => endProcess(child),
  };
}

function parseAnswer(line: string): LoadAnswer {
  const fields = JSON.parse(line) as Omit<LoadAnswer, "startNs" | "firstNs" | "lastNs">;
  // A time of day in nanoseconds has more digits than a double.
  const ns = (name: string): bigint => BigInt(new RegExp(`"${name}":(\\d+)`).exec(line)?.[1] ?? 0);
  return { ...fields, startNs: ns("startNs"), firstNs: ns("firstNs"), lastNs: ns("lastNs") };
}
