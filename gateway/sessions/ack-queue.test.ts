// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AckQueue, MAX_HELD_MESSAGES, PUBREC_BIT } from "./ack-queue.ts";

function drained(queue: AckQueue): [packetId: number, reasonCode: number][] {
  const answers: [number, number][] = [];
  for (let answer = queue.shift(); answer !== -1; answer = queue.shift()) {
    answers.push([Math.floor(answer / 0x1_0000), answer % 0x1_0000]);
  }
  return answers;
}

describe("acknowledgement queue", () => {
  test("what comes behind a held message waits with it, and leaves in order", () => {
    const queue = new AckQueue();
    const report = queue.hold(11);
    const heartbeat = queue.hold(12);
    queue.resolve(heartbeat, 0);
    assert.deepEqual(drained(queue), []);
    queue.resolve(report, 0x99);
    assert.deepEqual(drained(queue), [
      [11, 0x99],
      [12, 0],
    ]);
    assert.equal(queue.length, 0);
  });

  test("it holds 32 messages, again and again", () => {
    const queue = new AckQueue();
    for (let round = 0; round < 5; round += 1) {
      const tickets: number[] = [];
      for (let id = 1; id <= MAX_HELD_MESSAGES; id += 1) tickets.push(queue.hold(id));
      assert.equal(queue.isFull, true);
      for (const ticket of tickets.toReversed()) queue.resolve(ticket, 0);
      assert.equal(drained(queue).length, MAX_HELD_MESSAGES);
    }
  });

  test("an answer that comes twice, or for a message that is gone, changes nothing", () => {
    const queue = new AckQueue();
    const first = queue.hold(1);
    assert.equal(queue.resolve(first, 0), true);
    assert.equal(queue.resolve(first, 0x99), false);
    assert.deepEqual(drained(queue), [[1, 0]]);
    assert.equal(queue.resolve(first, 0), false);
    assert.equal(queue.resolve(99, 0), false);
  });

  test("an answer to QoS 2 keeps its place and says that it is a PUBREC", () => {
    const queue = new AckQueue();
    const report = queue.hold(11);
    queue.resolve(queue.hold(12, 2), 0x99);
    const last = queue.hold(13, 2);
    queue.resolve(report, 0);
    assert.deepEqual(drained(queue), [
      [11, 0],
      [12, PUBREC_BIT | 0x99],
    ]);
    assert.equal(queue.resolve(last, 0), true);
    assert.deepEqual(drained(queue), [[13, PUBREC_BIT]]);
  });

  test("a packet id is known while its message waits", () => {
    const queue = new AckQueue();
    const ticket = queue.hold(7);
    assert.equal(queue.has(7), true);
    queue.resolve(ticket, 0);
    drained(queue);
    assert.equal(queue.has(7), false);
  });
});
