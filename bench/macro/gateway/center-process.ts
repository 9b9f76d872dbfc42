// SPDX-License-Identifier: Apache-2.0
/** The pretended center as the bench asks it. */
import { fork } from "node:child_process";
import { benchFile, endProcess } from "./tools.ts";

export type CenterQuestion =
  | { readonly ask: "facts" | "push" }
  | { readonly ask: "prepare"; readonly deviceCount: number };

export interface CenterAnswer {
  readonly port: number;
  readonly grantedCount: number;
  readonly storedReports: number;
  /** When a push began, ns of CLOCK_MONOTONIC in decimal. */
  readonly startNs: string;
}

export interface CenterProcess {
  readonly pid: number;
  readonly port: number;
  readonly ask: (question: CenterQuestion) => Promise<CenterAnswer>;
  readonly stop: () => Promise<void>;
}

export async function startCenter(folder: string): Promise<CenterProcess> {
  const child = fork(benchFile("center-main.ts"), [folder]);
  const next = (): Promise<CenterAnswer> =>
    new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error("the pretended center ended"));
      child.once("exit", onExit);
      child.once("message", (answer: CenterAnswer) => {
        child.off("exit", onExit);
        resolve(answer);
      });
    });
  const { port } = await next();
  return {
    pid: child.pid ?? 0,
    port,
    ask: (question) => {
      const answered = next();
      child.send(question);
      return answered;
    },
    stop: () => endProcess(child),
  };
}
