// SPDX-License-Identifier: Apache-2.0
/** The devices: `load.c`, one process, told line by line what to do. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { MusterError } from "../../../domain/errors.ts";
import { build, endProcess, isThere } from "../gateway/tools.ts";

/** What the load says at the end of each command; counts are of requests. */
export interface LoadAnswer {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Each once, however often it was repeated. */
  readonly sent: number;
  /** With an answer of success that verified. */
  readonly acknowledged: number;
  /** Datagrams that were sent again, for no answer had come. */
  readonly repeated: number;
  /** Given up after the last repeat. */
  readonly lost: number;
  /** Answered by an error. */
  readonly refused: number;
  /** Datagrams that did not verify. */
  readonly unverified: number;
  /** Heartbeats left out, for the one before was under way. */
  readonly late: number;
  /** Under way at the end. */
  readonly unanswered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Load {
  readonly say: (command: string) => Promise<LoadAnswer>;
  readonly stop: () => Promise<void>;
}

/** Where Debian and its kin keep the header of OpenSSL. */
const OPENSSL_HEADER = "/usr/include/openssl/evp.h";

/** null: there is no C compiler, or no OpenSSL to build with. */
export async function buildLoad(): Promise<string | null> {
  return (await isThere(OPENSSL_HEADER)) ? build("../coap/load.c") : null;
}

/** Throws `failed_precondition` when the load cannot be built. `file`: of the devices. */
export async function startLoad(options: { port: number; file: string }): Promise<Load> {
  const program = await buildLoad();
  if (program === null) {
    throw new MusterError({
      code: "failed_precondition",
      message: "the load of this bench is written in C, and cannot be built here",
      detail: { hint: "install gcc, libc6-dev and libssl-dev" },
    });
  }
  const words = ["127.0.0.1", String(options.port), options.file];
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    say: async (command) => {
      child.stdin.write(`${command}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error(`the load ended during ${command}`);
      return JSON.parse(line.value) as LoadAnswer;
    },
    stop: () => endProcess(child),
  };
}
