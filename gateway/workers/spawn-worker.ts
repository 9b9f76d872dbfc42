// SPDX-License-Identifier: Apache-2.0
/** A worker as a child process: what it writes goes where its parent's does. */
import { spawn } from "node:child_process";
import type { Clock } from "../../ports/clock.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";
import type { WorkerFacts, WorkerPorts, WorkerProcess } from "./worker-process.ts";

/** A worker drains for 15 s at most. */
const STOP_TIMEOUT_MS = 20_000;
/** Whoever scrapes or probes waits longer than this. */
const ASK_TIMEOUT_MS = 2_000;

export interface SpawnWorkerOptions<Start> {
  readonly command: string;
  readonly args: readonly string[];
  /** What the worker is told to be. */
  readonly start: Start;
  readonly clock: Clock;
}

export function spawnWorker<Start>(options: SpawnWorkerOptions<Start>): WorkerProcess {
  const { command, args, clock } = options;
  const child = spawn(command, [...args], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ready = Promise.withResolvers<WorkerPorts>();
  const ended = Promise.withResolvers<string>();
  const asked = new Map<number, (facts: WorkerFacts | null) => void>();
  let lastId = 0;
  const send = (message: ToWorker<Start>): void => {
    // One that has ended hears nothing; `ended` says so.
    if (child.connected) child.send(message, () => {});
  };
  const end = (how: string): void => {
    ended.resolve(how);
    ready.reject(new Error(`it ended before it was ready: ${how}`));
    for (const answer of asked.values()) answer(null);
    asked.clear();
  };
  ready.promise.catch(() => {}); // Whoever waits for it sees it; after that nobody need.
  child.once("error", (error) => end(error.message));
  child.once("exit", (code, signal) => end(signal ?? `exit status ${code}`));
  child.on("message", (message: FromWorker) => {
    if (message.kind === "ready") return ready.resolve(message.ports);
    asked.get(message.id)?.(message);
    asked.delete(message.id);
  });
  send({ kind: "start", options: options.start });
  return {
    pid: child.pid ?? 0,
    ready: ready.promise,
    ended: ended.promise,
    ask: () => {
      if (!child.connected) return Promise.resolve(null);
      const { promise, resolve } = Promise.withResolvers<WorkerFacts | null>();
      const id = ++lastId;
      const cancel = clock.setTimer(ASK_TIMEOUT_MS, () => {
        asked.delete(id);
        resolve(null);
      });
      asked.set(id, (facts) => {
        cancel();
        resolve(facts);
      });
      send({ kind: "ask", id });
      return promise;
    },
    useTicketKeys: (keys) => {
      send({ kind: "ticketKeys", keys: Buffer.from(keys).toString("base64") });
    },
    makeRoom: (part) => send({ kind: "makeRoom", part }),
    stop: () => {
      child.kill("SIGTERM");
      const cancel = clock.setTimer(STOP_TIMEOUT_MS, () => child.kill("SIGKILL"));
      void ended.promise.then(cancel);
    },
  };
}
