// SPDX-License-Identifier: Apache-2.0
/**
 * Runs rehearsals in a thread of their own, so that the center goes on meanwhile. One at a time: a
 * rehearsal may keep a core busy for minutes, and the center's own work goes first.
 */
import { Worker } from "node:worker_threads";
import { MusterError } from "../../domain/errors.ts";
import { siblingModule } from "../../runtime/worker-call.ts";
import { decodeError } from "../../runtime/worker-messages.ts";
import type { RehearsalNews, RehearsalScript, Scenario } from "./rehearsal.ts";

export class RehearsalThread {
  private isBusy = false;

  /** What happens, as it happens; ends after the last scenario, or with the signal. */
  async *run(
    script: RehearsalScript,
    scenarios: readonly Scenario[],
    signal: AbortSignal,
  ): AsyncGenerator<Exclude<RehearsalNews, { kind: "failed" }>> {
    if (this.isBusy) throw busy();
    this.isBusy = true;
    const worker = new Worker(siblingModule("wiring", import.meta.url), {
      workerData: { script, scenarios },
      name: "rehearsal",
      execArgv: [],
    });
    try {
      for await (const news of newsOf(worker, signal)) {
        if (news.kind === "failed") throw decodeError(news.error);
        yield news;
      }
      signal.throwIfAborted();
    } finally {
      await worker.terminate();
      this.isBusy = false;
    }
  }
}

/** In order; ends when the thread does. Throws when it died. */
async function* newsOf(worker: Worker, signal: AbortSignal): AsyncGenerator<RehearsalNews> {
  const waiting: RehearsalNews[] = [];
  let ended = false;
  let failure: Error | null = null;
  let wake = (): void => {};
  worker.on("message", (news: RehearsalNews) => {
    // Progress that nobody has looked at yet is replaced by newer progress.
    if (news.kind === "progress" && waiting.at(-1)?.kind === "progress") waiting.pop();
    waiting.push(news);
    wake();
  });
  worker.on("error", (error) => {
    failure = error instanceof Error ? error : new Error(String(error));
  });
  worker.on("exit", () => {
    ended = true;
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else if (failure !== null) throw failure;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function busy(): MusterError {
  return new MusterError({
    code: "unavailable",
    message: "cannot rehearse the rollout: another rehearsal is under way",
    detail: { hint: "the center rehearses one rollout at a time; try again in a moment" },
  });
}
