// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { isMusterError } from "../../../domain/errors.ts";
import { NEVER as signal, rejectsWith } from "../../../ports/contract/helpers.ts";
import { siblingModule, startWorker } from "../../../runtime/worker-call.ts";
import type { Started, WorkerCall, WorkerOptions } from "../../../runtime/worker-call.ts";
import type { EchoCore, EchoData } from "./echo-worker.ts";

const MODULE = siblingModule("echo-worker", import.meta.url);
const DATA: EchoData = { refuse: false, brokenClose: false };

function start(options: Partial<WorkerOptions> = {}): Promise<Started<EchoCore, { made: string }>> {
  const defaults = { name: "echo", module: MODULE, data: DATA, maxPendingCalls: 100, signal };
  return startWorker<EchoCore, { made: string }>({ ...defaults, ...options });
}

/** Keeps the thread busy until `release` is called. */
function block(calls: WorkerCall<EchoCore>): { release: () => void; done: Promise<void> } {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const done = calls.call("wait", gate, { signal });
  const release = (): void => {
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
  };
  return { release, done };
}

describe("calls into a worker thread", () => {
  test("a module's neighbour has the module's own extension", () => {
    const fromSource = siblingModule("store-worker", "file:///a/engines/store.ts");
    assert.equal(fromSource.href, "file:///a/engines/store-worker.ts");
    const built = siblingModule("store-worker", "file:///a/dist/engines/store.js");
    assert.equal(built.href, "file:///a/dist/engines/store-worker.js");
  });

  test("calls are answered in order, more of them than the thread is handed at once", async () => {
    const { calls, facts } = await start();
    assert.deepEqual(facts, { made: "now" });
    const order: string[] = [];
    const texts = Array.from({ length: 30 }, (_, index) => String(index));
    await Promise.all(
      texts.map(async (text) => order.push(await calls.call("echo", text, { signal }))),
    );
    assert.deepEqual(order, texts);
    await calls.close();
  });

  test("a failure arrives with code, message, detail and the text of its cause", async () => {
    const { calls } = await start();
    await assert.rejects(calls.call("fail", "disk full", { signal }), (error) => {
      assert(isMusterError(error));
      assert.deepEqual([error.code, error.message], ["no_space", "disk full"]);
      assert.deepEqual(error.detail, { file: "/data/store.db", hint: "free space" });
      assert.equal((error.cause as Error).message, "the cause");
      return true;
    });
    assert.equal(await calls.call("echo", "goes on", { signal }), "goes on");
    await calls.close();
  });

  test("what opening or closing throws comes back", async () => {
    await rejectsWith(start({ data: { ...DATA, refuse: true } }), "no_space");
    const { calls } = await start({ data: { ...DATA, brokenClose: true } });
    await rejectsWith(calls.close(), "no_space");
  });

  test("buffers named for transfer move, and come back", async () => {
    const { calls } = await start();
    const bytes = Uint8Array.of(1, 2, 3);
    const options = { signal, transfer: [bytes.buffer] };
    const [answer] = await calls.call("bytes", [{ bytes }], options);
    assert.deepEqual([...(answer?.bytes ?? [])], [1, 2, 3]);
    assert.equal(bytes.byteLength, 0);
    await calls.close();
  });

  test("a call beyond the bound is unavailable, and the others are answered", async () => {
    const { calls } = await start({ maxPendingCalls: 10 });
    const blocked = block(calls);
    const waiting = Array.from({ length: 9 }, () => calls.call("echo", "x", { signal }));
    await rejectsWith(calls.call("echo", "one too many", { signal }), "unavailable");
    blocked.release();
    await Promise.all([blocked.done, ...waiting]);
    assert.equal(await calls.call("echo", "again", { signal }), "again");
    await calls.close();
  });

  test("a call aborted while it waits never runs; one handed over is left to run", async () => {
    const { calls } = await start();
    const blocked = block(calls);
    const controller = new AbortController();
    const given = { signal: controller.signal };
    const aborted = Array.from({ length: 20 }, () => calls.call("echo", "x", given));
    const settled = Promise.allSettled(aborted);
    const kept = calls.call("echo", "kept", { signal });
    controller.abort(new Error("gave up"));
    for (const result of await settled) {
      assert.equal(result.status, "rejected");
      assert.match(String(result.reason), /gave up/);
    }
    await assert.rejects(calls.call("echo", "x", given), /gave up/);
    blocked.release();
    assert.equal(await kept, "kept");
    // The one that blocked, at most three of the aborted that had been handed over, and `kept`.
    assert((await calls.call("runCount", null, { signal })) <= 5);
    await calls.close();
  });

  test("close finishes the calls that were made and refuses later ones", async () => {
    const { calls } = await start();
    const made = Array.from({ length: 12 }, () => calls.call("echo", "x", { signal }));
    const closed = calls.close();
    await rejectsWith(calls.call("echo", "late", { signal }), "unavailable");
    await Promise.all([...made, closed, calls.close()]);
  });

  test("a bug in the thread fails what is pending and later, and is told once", async () => {
    const crashes: Error[] = [];
    const { calls } = await start({ onCrash: (error) => crashes.push(error) });
    const broken = calls.call("breakDown", null, { signal });
    const pending = Array.from({ length: 9 }, () => calls.call("echo", "x", { signal }));
    const failures = [broken, ...pending].map((call) => rejectsWith(call, "unavailable"));
    await Promise.all(failures);
    await rejectsWith(calls.call("echo", "late", { signal }), "unavailable");
    assert.deepEqual(
      crashes.map((error) => error.message),
      ["a bug"],
    );
    await calls.close();
  });

  test("a bug that nobody listens for ends the process", () => {
    const script = `
      const { startWorker } = await import(${JSON.stringify(
        new URL("../../../runtime/worker-call.ts", import.meta.url).href,
      )});
      const { signal } = new AbortController();
      const { calls } = await startWorker({
        name: "echo", module: new URL(${JSON.stringify(MODULE.href)}),
        data: { refuse: false, brokenClose: false }, maxPendingCalls: 9, signal,
      });
      await calls.call("breakDown", null, { signal }).catch((error) => console.log(error.code));
      setInterval(() => {}, 1_000);
    `;
    const result = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      encoding: "utf8",
      timeout: 30_000,
    });
    assert.equal(result.status, 1, result.stderr);
    assert.match(result.stderr, /a bug/);
  });

  test("an input that cannot cross is the caller's error and harms nobody else", async () => {
    const { calls } = await start();
    const input = (() => "function") as unknown as string;
    await assert.rejects(calls.call("echo", input, { signal }), { name: "DataCloneError" });
    assert.equal(await calls.call("echo", "fine", { signal }), "fine");
    await calls.close();
  });
});
