// SPDX-License-Identifier: Apache-2.0
/** Starts and ends the process that asks questions (`questions.ts`). */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Asked {
  /** `http://127.0.0.1:PORT`. */
  readonly server: string;
  readonly token: string;
  readonly rollout: string;
  readonly devices: number;
}

/** Milliseconds of each answer. */
export interface AnswerTimes {
  readonly get: number[];
  readonly watch: number[];
  readonly explain: number[];
}

/** `stop` answers how long the answers took. */
export function startAsking(asked: Asked): { stop: () => Promise<AnswerTimes> } {
  const file = fileURLToPath(new URL("./questions.ts", import.meta.url));
  const child = fork(file, [JSON.stringify(asked)]);
  const { promise, resolve, reject } = Promise.withResolvers<AnswerTimes>();
  child.once("message", (times: AnswerTimes) => resolve(times));
  child.once("exit", () => reject(new Error("the asking process ended without its times")));
  promise.catch(() => undefined); // whoever stops it hears of it
  return {
    stop: () => {
      child.send("over");
      return promise;
    },
  };
}

/** The value below which `share` of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
