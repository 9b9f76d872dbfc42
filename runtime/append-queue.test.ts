// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isMusterError } from "../domain/errors.ts";
import { AppendQueue } from "./append-queue.ts";

interface Item {
  readonly bytes: Uint8Array;
}

const { signal } = new AbortController();

/** A disk that finishes a group when told to; `groups` are those begun, as texts. */
class SlowDisk {
  readonly groups: string[][] = [];
  readonly #pending: PromiseWithResolvers<void>[] = [];

  commit(records: readonly Item[]): Promise<void> {
    this.groups.push(records.map((record) => Buffer.from(record.bytes).toString("latin1")));
    const pending = Promise.withResolvers<void>();
    this.#pending.push(pending);
    return pending.promise;
  }

  finish(): void {
    this.#pending.shift()?.resolve();
  }

  fail(error: Error): void {
    this.#pending.shift()?.reject(error);
  }
}

function setUp(): { disk: SlowDisk; queue: AppendQueue<Item> } {
  const disk = new SlowDisk();
  return { disk, queue: new AppendQueue({ commit: (records) => disk.commit(records) }) };
}

function records(...texts: string[]): Item[] {
  return texts.map((text) => ({ bytes: Buffer.from(text) }));
}

const isUnavailable = (error: unknown): boolean =>
  isMusterError(error) && error.code === "unavailable";

describe("append queue", () => {
  test("appends that arrive during a group form the next, in order", async () => {
    const { disk, queue } = setUp();
    const first = queue.append(records("a"), signal);
    const second = queue.append(records("b", "c"), signal);
    const third = queue.append(records("d"), signal);
    assert.deepEqual(disk.groups, [["a"]]);
    disk.finish();
    await first;
    assert.deepEqual(disk.groups, [["a"], ["b", "c", "d"]]);
    disk.finish();
    await Promise.all([second, third]);
    const fourth = queue.append(records("e"), signal);
    assert.deepEqual(disk.groups.at(-1), ["e"]);
    disk.finish();
    await fourth;
  });

  test("when a group fails each of its appends fails, and the next goes on", async () => {
    const { disk, queue } = setUp();
    const first = queue.append(records("a"), signal);
    const others = ["b", "c"].map((text) => queue.append(records(text), signal));
    const settled = Promise.allSettled(others);
    disk.finish();
    await first;
    const later = queue.append(records("d"), signal);
    disk.fail(new Error("disk full"));
    for (const result of await settled) assert.equal(result.status, "rejected");
    disk.finish();
    await later;
  });

  test("an append given up while it waits is dropped; one under way is not", async () => {
    const { disk, queue } = setUp();
    const controller = new AbortController();
    const underWay = queue.append(records("a"), controller.signal);
    const waiting = queue.append(records("b"), controller.signal);
    const kept = queue.append(records("c"), signal);
    const settled = Promise.allSettled([underWay, waiting]);
    controller.abort(new Error("gave up"));
    for (const result of await settled) assert.equal(result.status, "rejected");
    disk.finish();
    await new Promise(setImmediate);
    disk.finish();
    await kept;
    assert.deepEqual(disk.groups, [["a"], ["c"]]);
  });

  test("a group ends at its limit of bytes, and one append is never split", async () => {
    const { disk, queue } = setUp();
    const large = Array.from({ length: 3 }, () => "x".repeat(5 * 2 ** 20));
    const appends = ["a", ...large].map((text) => queue.append(records(text), signal));
    const both = queue.append(records(...large.slice(1)), signal);
    for (const append of [...appends, both]) {
      disk.finish();
      await append;
    }
    assert.deepEqual(
      disk.groups.map((group) => group.length),
      [1, 1, 1, 1, 2],
    );
  });

  test("what does not fit in memory is refused, whether many appends or large ones", async () => {
    const { disk, queue } = setUp();
    const appends = [queue.append(records("a"), signal)];
    for (let count = 0; count < 1_024; count += 1) {
      appends.push(queue.append(records("b"), signal));
    }
    await assert.rejects(queue.append(records("c"), signal), isUnavailable);
    disk.finish();
    await appends[0];
    disk.finish();
    await Promise.all(appends);

    const mebibytes = records(...Array.from({ length: 40 }, () => "x".repeat(2 ** 20)));
    const large = [queue.append(mebibytes, signal), queue.append(mebibytes, signal)];
    await assert.rejects(queue.append(mebibytes, signal), isUnavailable);
    disk.finish();
    await large[0];
    disk.finish();
    await large[1];
  });

  test("close lets what was appended finish and refuses the rest", async () => {
    const { disk, queue } = setUp();
    const first = queue.append(records("a"), signal);
    const second = queue.append(records("b"), signal);
    let closed = false;
    const closing = queue.close().then(() => (closed = true));
    await assert.rejects(queue.append(records("c"), signal), isUnavailable);
    disk.finish();
    await first;
    assert.equal(closed, false);
    disk.finish();
    await Promise.all([second, closing]);
    assert.deepEqual(disk.groups, [["a"], ["b"]]);
  });
});
