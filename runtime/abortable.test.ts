// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { abortable } from "./abortable.ts";

async function* numbers(onReturn: () => void): AsyncGenerator<number> {
  try {
    yield 1;
    yield 2;
  } finally {
    onReturn();
  }
}

async function collect(source: AsyncIterable<number>): Promise<number[]> {
  const items: number[] = [];
  for await (const item of source) items.push(item);
  return items;
}

test("what the source yields comes through, and its failure too", async () => {
  const { signal } = new AbortController();
  assert.deepEqual(
    await collect(
      abortable(
        numbers(() => {}),
        signal,
      ),
    ),
    [1, 2],
  );
  const failing = numbers(() => {
    throw new Error("source failed");
  });
  await assert.rejects(collect(abortable(failing, signal)), /source failed/);
});

test("a source that never answers is left when the signal aborts", async () => {
  const controller = new AbortController();
  let returned = false;
  const silent: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      return: () => {
        returned = true;
        return new Promise(() => {});
      },
    }),
  };
  const collected = collect(abortable(silent, controller.signal));
  controller.abort(new Error("gave up"));
  await assert.rejects(collected, /gave up/);
  assert(returned, "the source was told");
});

test("a consumer that stops early releases the source", async () => {
  const { signal } = new AbortController();
  let returned = false;
  const source = abortable(
    numbers(() => {
      returned = true;
    }),
    signal,
  );
  for await (const item of source) if (item === 1) break;
  assert(returned);
});
