// SPDX-License-Identifier: Apache-2.0
/** The contract of the EventLog port as tests: every engine runs it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MAX_APPEND_RECORDS, MAX_RECORD_BYTES } from "../event-log.ts";
import type { EventLog } from "../event-log.ts";
import { NEVER as signal, rejectsWith } from "./helpers.ts";

/** An engine in the hands of the suite. Disposing closes and removes everything. */
export interface EventLogUnderTest extends AsyncDisposable {
  readonly log: EventLog;
  /** Closes the log and opens it again on the same data. */
  reopen(): Promise<void>;
  /** Loses the log as a crash does, in the midst of what it is doing, and opens it again. */
  crash(): Promise<void>;
}

export interface EventLogContractOptions {
  /** The engine, as it shall stand in the test's name. */
  readonly name: string;
  /** A new, empty log of at least three partitions. */
  readonly open: () => Promise<EventLogUnderTest>;
  /** Its data are files of this machine. Default true. */
  readonly isLocal?: boolean;
  /** Why it cannot run here (a server is missing): shown loudly. */
  readonly skip?: string;
}

type OpenLog = () => Promise<EventLogUnderTest>;

/** Declares the suite. */
export function eventLogContract(options: EventLogContractOptions): void {
  const { name, open, isLocal = true, skip } = options;
  describe(`event log contract: ${name}`, { skip: skip ?? false }, () => {
    describe("appending and reading", () => readTests(open));
    describe("waiting", () => waitTests(open));
    describe("trimming", () => trimTests(open));
    describe("space", () => (isLocal ? localSpaceTests(open) : remoteSpaceTests(open)));
    describe("failures", () => failureTests(open));
  });
}

function record(partition: number, text: string): { partition: number; bytes: Uint8Array } {
  return { partition, bytes: new TextEncoder().encode(text) };
}

/** What a partition holds, as `offset:text`. */
async function contents(log: EventLog, partition: number, afterOffset = 0): Promise<string[]> {
  const texts: string[] = [];
  for (let after = afterOffset; ;) {
    const records = await log.read(partition, { afterOffset: after, limit: 1_000, signal });
    const last = records.at(-1);
    if (last === undefined) return texts;
    assert(records.every((item) => item.partition === partition));
    texts.push(...records.map((item) => `${item.offset}:${new TextDecoder().decode(item.bytes)}`));
    after = last.offset;
  }
}

function readTests(open: OpenLog): void {
  test("records are read in order of appending, numbered from 1 in their partition", async () => {
    await using engine = await open();
    await engine.log.append([record(0, "a"), record(1, "b"), record(0, "c")], { signal });
    await engine.log.append([record(0, "d")], { signal });
    assert.deepEqual(await contents(engine.log, 0), ["1:a", "2:c", "3:d"]);
    assert.deepEqual(await contents(engine.log, 1), ["1:b"]);
    assert.deepEqual(await contents(engine.log, 2), []);
  });

  test("a read begins after the offset and ends at the limit", async () => {
    await using engine = await open();
    await engine.log.append(
      ["a", "b", "c", "d", "e"].map((text) => record(0, text)),
      { signal },
    );
    const records = await engine.log.read(0, { afterOffset: 1, limit: 2, signal });
    assert.deepEqual(
      records.map((item) => item.offset),
      [2, 3],
    );
    assert.deepEqual(await contents(engine.log, 0, 4), ["5:e"]);
    assert.deepEqual(await contents(engine.log, 0, 5), []);
  });

  test("appends of one caller keep their order without waiting for each other", async () => {
    await using engine = await open();
    const numbers = Array.from({ length: 60 }, (_, index) => String(index));
    const batch = (text: string): { partition: number; bytes: Uint8Array }[] => [
      record(0, text),
      record(1, text),
      record(0, `${text}+`),
    ];
    await Promise.all(numbers.map((text) => engine.log.append(batch(text), { signal })));
    const expected = numbers.flatMap((text) => [text, `${text}+`]);
    const found = (await contents(engine.log, 0)).map((item) => item.split(":")[1]);
    assert.deepEqual(found, expected);
    const others = (await contents(engine.log, 1)).map((item) => item.split(":")[1]);
    assert.deepEqual(others, numbers);
  });

  test("the caller may use its buffer again at once", async () => {
    await using engine = await open();
    const buffer = Buffer.from("xay");
    const appended = engine.log.append([{ partition: 0, bytes: buffer.subarray(1, 2) }], {
      signal,
    });
    buffer.fill("z");
    await appended;
    assert.deepEqual(await contents(engine.log, 0), ["1:a"]);
    assert.equal(buffer.toString(), "zzz");
  });

  test("what is read is the caller's own bytes, not a view into something larger", async () => {
    await using engine = await open();
    await engine.log.append([record(0, "ab"), record(0, "cd")], { signal });
    const [first, second] = await engine.log.read(0, { afterOffset: 0, limit: 2, signal });
    for (const bytes of [first?.bytes, second?.bytes]) {
      assert(bytes !== undefined);
      assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype, "its slice is a copy");
      assert.equal(bytes.byteLength, bytes.buffer.byteLength);
    }
  });

  test("records may be empty, and so may an append", async () => {
    await using engine = await open();
    await engine.log.append([], { signal });
    await engine.log.append([record(0, "")], { signal });
    assert.deepEqual(await contents(engine.log, 0), ["1:"]);
  });

  test("limits: the largest record and the longest append pass, more does not", async () => {
    await using engine = await open();
    const { log } = engine;
    await log.append([{ partition: 0, bytes: new Uint8Array(MAX_RECORD_BYTES) }], { signal });
    const long = [record(0, "a"), { partition: 0, bytes: new Uint8Array(MAX_RECORD_BYTES + 1) }];
    await rejectsWith(log.append(long, { signal }), "too_large");
    const many = Array.from({ length: MAX_APPEND_RECORDS }, () => record(1, "a"));
    await log.append(many, { signal });
    await rejectsWith(log.append([...many, record(1, "b")], { signal }), "too_large");
    await rejectsWith(log.read(0, { afterOffset: 0, limit: 1_001, signal }), "too_large");
    assert.equal((await contents(log, 0)).length, 1);
    assert.equal((await contents(log, 1)).length, MAX_APPEND_RECORDS);
  });

  test("more bytes than fit into one answer are read in several", async () => {
    await using engine = await open();
    const bytes = new Uint8Array(MAX_RECORD_BYTES);
    const largest = Array.from({ length: 20 }, () => ({ partition: 0, bytes }));
    await engine.log.append(largest, { signal });
    const offsets = (await contents(engine.log, 0)).map((item) => item.split(":")[0]);
    assert.deepEqual(
      offsets,
      largest.map((_, index) => String(index + 1)),
    );
  });
}

function waitTests(open: OpenLog): void {
  /** Takes what is left from before, so that the next wait waits. */
  async function settle(log: EventLog): Promise<void> {
    const controller = new AbortController();
    const waited = log.waitForAppend({ signal: controller.signal });
    setImmediate(() => controller.abort());
    await waited;
  }

  test("a wait ends with the next append", async () => {
    await using engine = await open();
    await settle(engine.log);
    let ended = false;
    const waited = engine.log.waitForAppend({ signal }).then(() => (ended = true));
    await engine.log.read(0, { afterOffset: 0, limit: 1, signal });
    assert.equal(ended, false, "nothing was appended yet");
    await engine.log.append([record(0, "a")], { signal });
    await waited;
    assert.deepEqual(await contents(engine.log, 0), ["1:a"]);
  });

  test("an append between two waits is not missed", async () => {
    await using engine = await open();
    await settle(engine.log);
    await engine.log.append([record(2, "a")], { signal });
    await engine.log.waitForAppend({ signal });
  });

  test("records from before opening end the first wait", async () => {
    await using engine = await open();
    await engine.log.append([record(0, "a")], { signal });
    await engine.reopen();
    await engine.log.waitForAppend({ signal });
  });

  test("a wait ends when its signal aborts, and when it had aborted", async () => {
    await using engine = await open();
    await settle(engine.log);
    const controller = new AbortController();
    const waited = engine.log.waitForAppend({ signal: controller.signal });
    controller.abort();
    await waited;
    await engine.log.waitForAppend({ signal: controller.signal });
  });
}

function trimTests(open: OpenLog): void {
  const abcd = ["a", "b", "c", "d"].map((text) => record(0, text));

  test("trimming forgets up to the offset, of its partition only", async () => {
    await using engine = await open();
    await engine.log.append([...abcd, record(1, "x")], { signal });
    await engine.log.trim(0, 2, { signal });
    assert.deepEqual(await contents(engine.log, 0), ["3:c", "4:d"]);
    await engine.log.trim(0, 2, { signal });
    await engine.log.trim(0, 0, { signal });
    assert.deepEqual(await contents(engine.log, 0), ["3:c", "4:d"]);
    assert.deepEqual(await contents(engine.log, 1), ["1:x"]);
    assert.deepEqual(await contents(engine.log, 2), []);
  });

  test("offsets go on after everything was trimmed, also after opening again", async () => {
    await using engine = await open();
    await engine.log.append(abcd, { signal });
    await engine.log.trim(0, 4, { signal });
    assert.deepEqual(await contents(engine.log, 0), []);
    await engine.reopen();
    await engine.log.append([record(0, "e")], { signal });
    assert.deepEqual(await contents(engine.log, 0), ["5:e"]);
    await engine.log.trim(0, 1_000, { signal });
    await engine.log.append([record(0, "f")], { signal });
    assert.deepEqual(await contents(engine.log, 0), ["6:f"]);
  });

  test("many records are trimmed as well as few", async () => {
    await using engine = await open();
    const batch = Array.from({ length: 1_000 }, () => record(0, "a"));
    const appends = Array.from({ length: 25 }, () => engine.log.append(batch, { signal }));
    await Promise.all(appends);
    await engine.log.trim(0, 24_999, { signal });
    assert.deepEqual(await contents(engine.log, 0), ["25000:a"]);
  });
}

function localSpaceTests(open: OpenLog): void {
  test("what was trimmed is room that is used again before the files grow", async () => {
    await using engine = await open();
    const large = { partition: 0, bytes: new Uint8Array(500_000) };
    await engine.log.append([large], { signal });
    const before = await engine.log.space({ signal });
    assert(before !== null);
    assert(before.fileBytes > large.bytes.length, "the files hold the record");
    await engine.log.trim(0, 1, { signal });
    const after = await engine.log.space({ signal });
    assert(after !== null);
    assert(
      after.reusableBytes > before.reusableBytes + large.bytes.length * 0.9,
      "it is free inside",
    );
  });
}

function remoteSpaceTests(open: OpenLog): void {
  test("what is on a server's disk is no part of the data folder", async () => {
    await using engine = await open();
    assert.equal(await engine.log.space({ signal }), null);
  });
}

function failureTests(open: OpenLog): void {
  test("everything is there after closing and opening", async () => {
    await using engine = await open();
    await engine.log.append([record(0, "a"), record(1, "b")], { signal });
    const { partitionCount } = engine.log;
    await engine.reopen();
    assert.equal(engine.log.partitionCount, partitionCount);
    assert.deepEqual(await contents(engine.log, 0), ["1:a"]);
    assert.deepEqual(await contents(engine.log, 1), ["1:b"]);
  });

  test("an aborted signal rejects with its reason and appends nothing", async () => {
    await using engine = await open();
    const reason = new Error("gave up");
    const aborted = AbortSignal.abort(reason);
    const append = engine.log.append([record(0, "a")], { signal: aborted });
    await assert.rejects(append, (error) => error === reason);
    const read = engine.log.read(0, { afterOffset: 0, limit: 1, signal: aborted });
    await assert.rejects(read, (error) => error === reason);
    assert.deepEqual(await contents(engine.log, 0), []);
  });

  test("giving up on one append leaves those beside it alone", async () => {
    await using engine = await open();
    const controller = new AbortController();
    const before = engine.log.append([record(0, "a")], { signal });
    const given = engine.log.append([record(1, "x")], { signal: controller.signal });
    const after = engine.log.append([record(0, "b")], { signal });
    controller.abort();
    await Promise.allSettled([given]);
    await Promise.all([before, after]);
    assert.deepEqual(await contents(engine.log, 0), ["1:a", "2:b"]);
  });

  test("lost in the midst of appends, what is there is their beginning, in order", async () => {
    await using engine = await open();
    const { log } = engine;
    const acknowledged = new Set<string>();
    const appends = Array.from({ length: 60 }, async (_, number) => {
      const text = String(number).padStart(2, "0");
      await log.append([record(0, text), record(1, text)], { signal });
      acknowledged.add(text);
    });
    const settled = Promise.allSettled(appends);
    await appends[0];
    await engine.crash();
    await settled;
    for (const partition of [0, 1]) {
      const left = await contents(engine.log, partition);
      const expected = left.map((_, index) => `${index + 1}:${String(index).padStart(2, "0")}`);
      assert.deepEqual(left, expected, "what is there is the beginning of what was appended");
      const texts = left.map((item) => item.split(":")[1]);
      for (const text of acknowledged) assert(texts.includes(text), `acknowledged ${text} is lost`);
      await engine.log.append([record(partition, "next")], { signal });
      assert.equal((await contents(engine.log, partition)).at(-1), `${left.length + 1}:next`);
    }
  });

  test("a log keeps its id", async () => {
    await using engine = await open();
    const { id } = engine.log;
    assert.notEqual(id, "");
    await engine.reopen();
    assert.equal(engine.log.id, id);
  });

  test("closing finishes what was begun, ends waits and refuses the rest", async () => {
    await using engine = await open();
    const { log } = engine;
    await log.append([record(0, "a")], { signal });
    await log.waitForAppend({ signal });
    const begun = log.append([record(0, "b")], { signal });
    await Promise.all([log.close(), log.close()]);
    await begun;
    await rejectsWith(log.append([record(0, "c")], { signal }), "unavailable");
    await rejectsWith(log.read(0, { afterOffset: 0, limit: 1, signal }), "unavailable");
    await rejectsWith(log.waitForAppend({ signal }), "unavailable");
    await engine.reopen();
    assert.deepEqual(await contents(engine.log, 0), ["1:a", "2:b"]);
  });
}
