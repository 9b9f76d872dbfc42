// SPDX-License-Identifier: Apache-2.0
/**
 * The thread's side of `worker-call.ts`: opens a synchronous core and answers calls one at a time,
 * in order. Failures (MusterError) are answered; anything else is a bug, leaves the handler and
 * ends the thread, which the caller's side reports.
 */
import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { isMusterError } from "../domain/errors.ts";
import { encodeError } from "./worker-messages.ts";
import type { CallMessage, EncodedError, ThreadInput, ThreadOutput } from "./worker-messages.ts";

/** A core as this file sees it: `close` and methods of one input and one output. */
interface Closable {
  close(): void;
}

/**
 * Call once, at the end of a worker's module. `open` gets the data that `startWorker` was given.
 * `facts` is what the opener tells its starter. `transferOf` names the buffers of an output that
 * may move instead of being copied: each must belong to that output alone.
 */
export function serveCalls<Data, Core extends Closable>(options: {
  open: (data: Data) => { core: Core; facts: unknown };
  transferOf: (output: unknown) => readonly ArrayBuffer[];
}): void {
  const port = parentPort;
  assert(port !== null, "serveCalls runs in a worker thread");
  const post = (message: ThreadOutput, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(message, [...transfer]);
  };
  let core: Core;
  try {
    const opened = options.open(workerData as Data);
    core = opened.core;
    post({ type: "opened", facts: opened.facts });
  } catch (error) {
    post({ type: "refused", error: encodeFailure(error) });
    return; // Nothing listens any more, so the thread ends.
  }
  port.on("message", (message: ThreadInput) => {
    if (message.type === "close") {
      post({ type: "closed", error: closeCore(core) });
      port.close();
      return;
    }
    try {
      const output = callCore(core, message);
      post({ type: "done", id: message.id, output }, options.transferOf(output));
    } catch (error) {
      post({ type: "failed", id: message.id, error: encodeFailure(error) });
    }
  });
}

/** The buffers of a list of `{ bytes }`, when each array of bytes fills its own buffer. */
export function buffersOf(output: unknown): ArrayBuffer[] {
  if (!Array.isArray(output)) return [];
  const buffers: ArrayBuffer[] = [];
  for (const item of output as ({ bytes?: unknown } | null)[]) {
    if (!(item?.bytes instanceof Uint8Array)) return [];
    const { buffer, byteLength } = item.bytes;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffers.push(buffer);
  }
  return buffers;
}

function callCore(core: Closable, message: CallMessage): unknown {
  const callable = core as unknown as Record<string, (input: unknown) => unknown>;
  const method = callable[message.method];
  assert(method !== undefined, `the core has no method ${message.method}`);
  return method.call(core, message.input);
}

function closeCore(core: Closable): EncodedError | null {
  try {
    core.close();
    return null;
  } catch (error) {
    return encodeFailure(error);
  }
}

function encodeFailure(error: unknown): EncodedError {
  if (!isMusterError(error)) throw error;
  return encodeError(error);
}
