// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Code, MessageType } from "../../../protocol/coap/codes.ts";
import type { DecodedMessage } from "../../../protocol/coap/message.ts";
import {
  blockOption,
  decodeBlock,
  optionValue,
  uintOption,
} from "../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../protocol/coap/options.ts";
import { ECHO_LIFETIME_SECONDS } from "./echo-values.ts";
import { BenchClient, CoapBench, uintOf } from "./testing/coap-bench.ts";

const TOKEN = Buffer.from("0b5e", "hex");
const OFFER = Buffer.from('{"offer":7}');
const REGISTER = uintOption(OptionNumber.Observe, 0);

function observing(): { bench: CoapBench; client: BenchClient; first: DecodedMessage } {
  const bench = new CoapBench();
  const client = new BenchClient(bench);
  client.hello();
  return { bench, client, first: client.observe(TOKEN) };
}

function only(messages: readonly DecodedMessage[]): DecodedMessage {
  const [message, ...more] = messages;
  assert.ok(message !== undefined && more.length === 0, "there is one message");
  return message;
}

describe("an observation of offers", () => {
  test("begins when the device has shown where it is, and then offers are dispatched", () => {
    const { bench, first } = observing();
    assert.equal(first.code, Code.Content);
    assert.equal(uintOf(first, OptionNumber.Observe), 1);
    assert.equal(first.payload.length, 0);
    assert.equal(bench.readyCount, 1);
  });

  test("brings each offer, confirmable, and says when the device has it", () => {
    const { bench, client } = observing();
    let confirmedCount = 0;
    const confirmed = (): void => void (confirmedCount += 1);
    assert.equal(bench.link("pump-1").deliver("offer", OFFER, confirmed), "sent");
    const notification = only(client.received());
    assert.equal(notification.type, MessageType.Confirmable);
    assert.deepEqual(notification.token, TOKEN);
    assert.equal(uintOf(notification, OptionNumber.Observe), 2);
    assert.equal(uintOf(notification, OptionNumber.ContentFormat), 50);
    assert.deepEqual(notification.payload, OFFER);
    assert.equal(confirmedCount, 0);
    client.acknowledge(notification);
    client.acknowledge(notification);
    assert.equal(confirmedCount, 1);
  });

  test("takes one message at a time, and says when the next may come", () => {
    const { bench, client } = observing();
    const link = bench.link("pump-1");
    link.deliver("offer", OFFER);
    assert.equal(link.deliver("offer", OFFER), "blocked");
    const before = bench.readyCount;
    client.acknowledge(only(client.received()));
    assert.equal(bench.readyCount, before + 1);
    assert.equal(link.deliver("offer", OFFER), "sent");
  });

  test("is the only way to a device", () => {
    const bench = new CoapBench();
    const client = new BenchClient(bench);
    client.hello();
    const link = bench.link("pump-1");
    assert.equal(link.deliver("offer", OFFER), "unsubscribed");
    client.observe();
    assert.equal(link.deliver("command", OFFER), "unsubscribed");
    assert.equal(link.deliver("offer", Buffer.alloc(40_000)), "too-large");
  });

  test("ends when the device deregisters, or resets a notification", () => {
    const { bench, client } = observing();
    const link = bench.link("pump-1");
    link.deliver("offer", OFFER);
    client.acknowledge(only(client.received()), MessageType.Reset);
    assert.equal(link.deliver("offer", OFFER), "unsubscribed");
    client.observe(TOKEN);
    const options = [uintOption(OptionNumber.Observe, 1)];
    const answer = client.ask("v1/offer", { code: Code.Get, options });
    assert.equal(uintOf(answer, OptionNumber.Observe), null);
    assert.equal(link.deliver("offer", OFFER), "unsubscribed");
    assert.deepEqual(bench.closed, []);
  });

  test("of a device that does not acknowledge is repeated, then its session ends", () => {
    const { bench, client } = observing();
    bench.link("pump-1").deliver("offer", OFFER);
    let sentCount = 0;
    for (let second = 0; second < 100; second += 1) {
      bench.clock.advance(1_000);
      sentCount += client.received().length;
      if (second % 10 === 0) client.ask("v1/log");
    }
    assert.equal(sentCount, 5, "the message and four repeats");
    assert.deepEqual(bench.closed, ["slow"]);
    assert.equal(client.ask("v1/heartbeat").code, Code.Conflict);
    assert.equal(bench.clock.timerCount, 1, "of presence");
  });

  test("hears that the gateway shuts down, or that the device is retired", () => {
    for (const [cause, code] of [
      ["draining", Code.ServiceUnavailable],
      ["retired", Code.Forbidden],
    ] as const) {
      const { bench, client } = observing();
      bench.link("pump-1").close(cause);
      const last = only(client.received());
      assert.deepEqual([last.type, last.code], [MessageType.NonConfirmable, code]);
      assert.deepEqual(last.token, TOKEN);
    }
  });

  test("stays where it was registered, also when the device writes from elsewhere", () => {
    const { bench, client } = observing();
    const moved = new BenchClient(bench, { port: 40_001 });
    moved.ask("v1/heartbeat");
    bench.link("pump-1").deliver("offer", OFFER);
    assert.deepEqual(moved.received(), []);
    client.acknowledge(only(client.received()));
    moved.observe(TOKEN);
    bench.link("pump-1").deliver("offer", OFFER);
    assert.deepEqual(client.received(), []);
    only(moved.received());
  });
});

describe("an address that may be forged", () => {
  function register(client: BenchClient, echo: Buffer | null): number {
    const proof = echo === null ? [] : [{ number: OptionNumber.Echo, value: echo }];
    const options = [REGISTER, ...proof];
    return client.ask("v1/offer", { code: Code.Get, options, token: TOKEN }).code;
  }

  function challenge(client: BenchClient): Buffer {
    const asked = { code: Code.Get, options: [REGISTER], token: TOKEN };
    const value = optionValue(client.ask("v1/offer", asked).options, OptionNumber.Echo);
    assert.ok(value !== null);
    return value;
  }

  test("is believed with a value that it was sent, for a while", () => {
    const bench = new CoapBench();
    const client = new BenchClient(bench);
    client.hello();
    const value = challenge(client);
    const other = new BenchClient(bench, { port: 40_001 });
    assert.equal(register(other, value), Code.Unauthorized, "it was made for another place");
    assert.equal(register(client, Buffer.alloc(12)), Code.Unauthorized);
    assert.equal(register(client, Buffer.alloc(3)), Code.Unauthorized);
    for (let seconds = 0; seconds <= ECHO_LIFETIME_SECONDS; seconds += 10) {
      bench.clock.advance(10_000);
      client.ask("v1/heartbeat");
    }
    assert.equal(register(client, value), Code.Unauthorized, "it is too old");
    assert.equal(register(client, challenge(client)), Code.Content);
    assert.equal(register(client, null), Code.Content, "from now on it is known");
  });

  test("is not sent a block of an offer", () => {
    const { bench, client } = observing();
    bench.link("pump-1").deliver("offer", Buffer.alloc(3_000, "x"));
    client.acknowledge(only(client.received()));
    const moved = new BenchClient(bench, { port: 40_001 });
    const options = [blockOption(23, { number: 1, hasMore: false, sizeExponent: 6 })];
    const datagram = moved.datagram("v1/offer", { code: Code.Get, options });
    const answer = only(moved.exchange(datagram));
    assert.equal(answer.code, Code.Unauthorized);
    assert.ok(optionValue(answer.options, OptionNumber.Echo) !== null);
  });
});

describe("an offer larger than a datagram", () => {
  const offer = Buffer.from(Array.from({ length: 2_600 }, (_, index) => index % 251));

  test("comes in blocks, the first with the notification", () => {
    const { bench, client } = observing();
    bench.link("pump-1").deliver("offer", offer);
    const first = only(client.received());
    client.acknowledge(first);
    assert.equal(uintOf(first, OptionNumber.Size2), offer.length);
    const parts = [first.payload];
    for (let number = 1; ; number += 1) {
      const options = [blockOption(23, { number, hasMore: false, sizeExponent: 6 })];
      const answer = client.ask("v1/offer", { code: Code.Get, options });
      assert.deepEqual(
        optionValue(answer.options, OptionNumber.ETag),
        optionValue(first.options, OptionNumber.ETag),
      );
      parts.push(answer.payload);
      const block = decodeBlock(optionValue(answer.options, OptionNumber.Block2) ?? Buffer.of(7));
      assert.ok(block !== null && block.number === number);
      if (!block.hasMore) break;
    }
    assert.deepEqual(Buffer.concat(parts), offer);
  });

  test("may be asked for in smaller blocks; one behind the end is none", () => {
    const { bench, client } = observing();
    bench.link("pump-1").deliver("offer", offer);
    client.acknowledge(only(client.received()));
    const ask = (number: number): DecodedMessage =>
      client.ask("v1/offer", {
        code: Code.Get,
        options: [blockOption(23, { number, hasMore: false, sizeExponent: 2 })],
      });
    assert.deepEqual(ask(3).payload, offer.subarray(192, 256));
    assert.equal(ask(40).payload.length, 2_600 - 40 * 64);
    assert.equal(ask(41).code, Code.BadOption);
  });
});
