// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Code, MessageType } from "../../../protocol/coap/codes.ts";
import { encodeEmpty, encodeMessage } from "../../../protocol/coap/encoder.ts";
import { blockOption, optionValue, uintOption } from "../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../protocol/coap/options.ts";
import { decodeOscoreOption } from "../../../protocol/coap/oscore/oscore-option.ts";
import { SILENCE_LIMIT_MS } from "./testing/coap-bench.ts";
import { OscoreBench, OscoreBenchClient } from "./testing/oscore-bench.ts";

const OFFER = Buffer.from('{"offer":7}');
const OBSERVE = { code: Code.Get, options: [uintOption(OptionNumber.Observe, 0)] };

async function connected(): Promise<{ center: OscoreBench; client: OscoreBenchClient }> {
  const center = new OscoreBench();
  const client = new OscoreBenchClient(center);
  assert.equal((await client.hello()).code, Code.Changed);
  return { center, client };
}

describe("a device under OSCORE", () => {
  test("is known by its keys, shows that it is here and now, and has a session", async () => {
    const { center, client } = await connected();
    assert.deepEqual(center.asked, [["0a"]]);
    assert.equal(center.bench.link("pump-1").certificateSerial, "oscore:0a");
    const answer = client.ask("v1/heartbeat", { payload: "{1}" });
    assert.deepEqual([answer.code, answer.isProtected], [Code.Changed, true]);
    assert.equal(answer.outer.code, Code.Changed);
    assert.deepEqual(
      center.bench.taken.map(({ channel, text }) => `${channel} ${text}`),
      ["hello {}", "heartbeat {1}"],
    );
  });

  test("gets every answer under a number that was not used before", async () => {
    const { client } = await connected();
    const numbers = new Set<string>();
    for (let count = 0; count < 50; count += 1) {
      const { outer } = client.ask("v1/heartbeat");
      const option = optionValue(outer.options, OptionNumber.Oscore);
      const partialIv = option === null ? null : decodeOscoreOption(option)?.partialIv;
      assert.ok(partialIv !== null && partialIv !== undefined);
      numbers.add(partialIv.toString("hex"));
    }
    assert.equal(numbers.size, 50);
  });

  test("observes offers, the answer and each notification under numbers of their own", async () => {
    const { center, client } = await connected();
    const token = Buffer.from("0b5e", "hex");
    const { datagram, partialIv } = client.request("v1/offer", { ...OBSERVE, token });
    const [first] = client.send(datagram);
    assert.ok(first !== undefined);
    const registered = client.read(first, partialIv);
    assert.deepEqual([registered.code, first.code], [Code.Content, Code.Content]);
    const inner = optionValue(registered.options, OptionNumber.Observe);
    assert.equal(inner?.length, 0, "inside, Observe is empty");
    center.bench.link("pump-1").deliver("offer", OFFER);
    const [outer] = client.received();
    assert.ok(outer !== undefined && outer.type === MessageType.Confirmable);
    assert.deepEqual(outer.token, token);
    assert.ok(optionValue(outer.options, OptionNumber.Observe) !== null);
    assert.deepEqual(client.read(outer, partialIv).payload, OFFER);
  });

  test("reads a long offer block by block", async () => {
    const { center, client } = await connected();
    const { datagram } = client.request("v1/offer", OBSERVE);
    client.send(datagram);
    const long = Buffer.alloc(2_600, "x");
    center.bench.link("pump-1").deliver("offer", long);
    assert.equal(client.received().length, 1);
    const options = [blockOption(23, { number: 2, hasMore: false, sizeExponent: 6 })];
    const answer = client.ask("v1/offer", { code: Code.Get, options });
    assert.equal(answer.payload.length, 2_600 - 2_048);
  });

  test("has its report answered when it is durable", async () => {
    const { center, client } = await connected();
    const { datagram, partialIv } = client.request("v1/report", { payload: "{}" });
    const [empty] = client.send(datagram);
    assert.deepEqual([empty?.type, empty?.code], [MessageType.Acknowledgement, Code.Empty]);
    center.bench.link("pump-1").acknowledge(1);
    const [answer] = client.received();
    assert.ok(answer !== undefined);
    assert.equal(client.read(answer, partialIv).code, Code.Changed);
  });

  test("may say hello again, and then needs no other challenge", async () => {
    const { center, client } = await connected();
    assert.equal(client.ask("v1/hello", { payload: "{}" }).code, Code.Changed);
    assert.equal(client.ask("v1/heartbeat").code, Code.Changed);
    assert.deepEqual(center.bench.closed, ["taken-over"]);
  });

  test("that was silent has to show again that it is here", async () => {
    const { center, client } = await connected();
    center.bench.clock.advance(SILENCE_LIMIT_MS + 1_000);
    const challenge = client.ask("v1/heartbeat");
    assert.equal(client.answerChallenge(challenge, "v1/heartbeat", {}).code, Code.Conflict);
    assert.equal(client.ask("v1/hello", { payload: "{}" }).code, Code.Changed);
    assert.equal(center.asked.length, 1, "its keys are still here");
  });

  test("is answered from its new address, and observes there when it has shown that", async () => {
    const { center, client } = await connected();
    client.send(client.request("v1/offer", OBSERVE).datagram);
    const moved = new OscoreBenchClient(center, { port: 40_001 });
    moved.client.sequence = client.client.sequence;
    assert.equal(moved.ask("v1/heartbeat").code, Code.Changed);
    const challenge = moved.ask("v1/offer", OBSERVE);
    assert.equal(moved.answerChallenge(challenge, "v1/offer", OBSERVE).code, Code.Content);
    center.bench.link("pump-1").deliver("offer", OFFER);
    assert.equal(moved.received().length, 1);
    assert.equal(client.received().length, 0);
  });
});

describe("what was sent before", () => {
  test("is passed over, from wherever it comes", async () => {
    const { center, client } = await connected();
    const { datagram } = client.request("v1/log", { type: MessageType.NonConfirmable });
    assert.equal(client.send(datagram).length, 1);
    assert.deepEqual(client.send(datagram), []);
    const other = new OscoreBenchClient(center, { port: 40_001 });
    assert.deepEqual(other.send(datagram), []);
    assert.equal(center.bench.taken.length, 2);
  });

  test("gets its answer again when it is confirmable and comes from the same place", async () => {
    const { center, client } = await connected();
    const { datagram } = client.request("v1/log");
    const answers = [client.send(datagram), client.send(datagram)];
    assert.deepEqual(answers[0], answers[1]);
    assert.equal(center.bench.taken.length, 2);
  });

  test("begins no session again, also with the value that began one", async () => {
    const center = new OscoreBench();
    const client = new OscoreBenchClient(center);
    const first = client.request("v1/hello", { payload: "{}" });
    client.send(first.datagram);
    await center.settle();
    const [outer] = client.received();
    assert.ok(outer !== undefined);
    const value = optionValue(client.read(outer, first.partialIv).options, OptionNumber.Echo);
    assert.ok(value !== null);
    const options = [{ number: OptionNumber.Echo, value }];
    const type = MessageType.NonConfirmable;
    const second = client.request("v1/hello", { payload: "{}", options, type });
    client.send(second.datagram);
    assert.equal(center.bench.table.openCount, 1);
    center.bench.link("pump-1").close("closed");
    const [again] = client.send(second.datagram);
    assert.ok(again !== undefined);
    assert.equal(client.read(again, second.partialIv).code, Code.Unauthorized);
    assert.equal(center.bench.table.openCount, 0);
  });

  test("is nothing new to a gateway that was started anew", async () => {
    const { client } = await connected();
    const { datagram, partialIv } = client.request("v1/heartbeat");
    const restarted = new OscoreBench();
    const attacker = new OscoreBenchClient(restarted);
    attacker.send(datagram);
    await restarted.settle();
    const [outer] = attacker.received();
    assert.ok(outer !== undefined);
    assert.equal(attacker.read(outer, partialIv).code, Code.Unauthorized);
    assert.equal(restarted.bench.taken.length, 0);
  });
});

describe("who has no keys", () => {
  test("is refused without protection, and not asked about again for a minute", async () => {
    const center = new OscoreBench();
    const stranger = new OscoreBenchClient(center, { senderId: "0b" });
    stranger.send(stranger.request("v1/hello").datagram);
    await center.settle();
    const [refused] = stranger.received();
    assert.equal(refused?.code, Code.Unauthorized);
    assert.equal(refused.payload.toString(), "Security context not found");
    assert.equal(stranger.ask("v1/hello").isProtected, false);
    assert.equal(center.asked.length, 1);
    center.bench.clock.advance(60_001);
    assert.deepEqual(stranger.send(stranger.request("v1/hello").datagram), []);
    await center.settle();
    assert.equal(center.asked.length, 2);
  });

  test("or other ones, is refused, and the center is asked again only after a while", async () => {
    const { center } = await connected();
    const thief = new OscoreBenchClient(center, {
      masterSecret: Buffer.alloc(16, 1),
      port: 50_000,
    });
    thief.client.sequence = 1_000;
    const answer = thief.ask("v1/heartbeat");
    assert.deepEqual([answer.code, answer.isProtected], [Code.BadRequest, false]);
    assert.equal(center.bench.table.openCount, 1);
    center.bench.link("pump-1").close("closed");
    thief.ask("v1/heartbeat");
    assert.equal(center.asked.length, 1);
    center.bench.clock.advance(31_000);
    thief.ask("v1/heartbeat");
    assert.deepEqual(thief.send(thief.request("v1/heartbeat").datagram), []);
    await center.settle();
    assert.equal(center.asked.length, 2, "the keys might have changed");
  });

  test("gets no answer while the center is away, and one when it is back", async () => {
    const center = new OscoreBench();
    center.isAway = true;
    const client = new OscoreBenchClient(center);
    const { datagram } = client.request("v1/hello", { payload: "{}" });
    client.send(datagram);
    await center.settle();
    assert.deepEqual(client.received(), []);
    center.isAway = false;
    client.send(datagram);
    await center.settle();
    assert.equal(client.received().length, 1);
  });

  test("or sends something else, is refused with a code of RFC 8613", async () => {
    const { client } = await connected();
    const send = (hex: string, options: [number, string][]): number | undefined => {
      const message = {
        type: MessageType.Confirmable,
        code: Code.Post,
        messageId: Number.parseInt(hex, 16),
        token: Buffer.alloc(0),
        options: options.map(([number, value]) => ({ number, value: Buffer.from(value, "hex") })),
        payload: Buffer.alloc(20),
      };
      return client.send(encodeMessage(message))[0]?.code;
    };
    assert.equal(send("01", []), Code.Unauthorized, "no OSCORE");
    assert.equal(send("02", [[9, "20"]]), Code.BadOption, "a reserved flag");
    assert.equal(send("03", [[9, "0114"]]), Code.BadOption, "no kid");
    assert.equal(send("04", [[9, "190108"]]), Code.BadOption, "a cut kid context");
    assert.equal(send("05", [[9, "1901000a"]]), Code.Unauthorized, "a kid context");
    assert.equal(send("06", [[9, "0901"]]), Code.Unauthorized, "an empty kid");
    assert.equal(send("07", [[9, "097f0a"]]), Code.BadRequest, "it does not decrypt");
    const proxy: [number, string][] = [
      [9, "09010a"],
      [39, "636f6170"],
    ];
    assert.equal(send("08", proxy), Code.ProxyingNotSupported);
    assert.equal(
      send("09", [
        [9, "09010a"],
        [27, "06"],
      ]),
      Code.BadOption,
      "an outer block",
    );
    assert.equal(
      send("0a", [
        [9, "09010a"],
        [65_001, ""],
      ]),
      Code.BadOption,
    );
  });

  test("cannot reset or acknowledge what he was not sent", async () => {
    const { center, client } = await connected();
    client.send(client.request("v1/offer", OBSERVE).datagram);
    center.bench.link("pump-1").deliver("offer", OFFER);
    const [notification] = client.received();
    assert.ok(notification !== undefined);
    const reset = encodeEmpty(MessageType.Reset, notification.messageId);
    center.bench.listener.receive(reset, { address: "192.0.2.9", port: 40_000 });
    center.bench.clock.advance(3_500);
    assert.equal(client.received().length, 1, "it is sent again");
  });
});

describe("what is inside", () => {
  test("is refused under protection where it is not served", async () => {
    const { client } = await connected();
    const badOption = client.ask("v1/heartbeat", {
      options: [uintOption(OptionNumber.IfMatch, 1)],
    });
    assert.deepEqual([badOption.code, badOption.isProtected], [Code.BadOption, true]);
    const nested = client.ask("v1/heartbeat", { options: [uintOption(OptionNumber.Oscore, 9)] });
    assert.equal(nested.code, Code.BadOption);
    assert.equal(client.ask("v1/heartbeat", { code: Code.Content }).code, Code.BadRequest);
    assert.equal(client.ask("v1/nothing").code, Code.NotFound);
    assert.equal(client.ask("v1/heartbeat").code, Code.Changed, "and the window goes on");
  });

  test("may ask for silence", async () => {
    const { center, client } = await connected();
    const options = [uintOption(OptionNumber.NoResponse, 2)];
    const quiet = { type: MessageType.NonConfirmable, options };
    assert.deepEqual(client.send(client.request("v1/heartbeat", quiet).datagram), []);
    assert.equal(center.bench.taken.length, 2);
    assert.equal(client.send(client.request("v1/nothing", quiet).datagram).length, 1);
  });
});

describe("numbers of the gateway", () => {
  test("that come to their end are asked for, and without them nothing is said", async () => {
    const center = new OscoreBench();
    center.numberCount = 6;
    const client = new OscoreBenchClient(center);
    await client.hello();
    await center.settle();
    assert.deepEqual(center.asked, [["0a"], ["0a"]], "six new ones were asked for at once");
    center.isAway = true;
    // The hello was answered with the first of the new ones.
    for (let count = 1; count < 6; count += 1) client.ask("v1/heartbeat");
    assert.deepEqual(client.send(client.request("v1/log", { payload: "1" }).datagram), []);
    assert.equal(center.bench.taken.at(-1)?.text, "1", "it is taken all the same");
    center.isAway = false;
    for (let second = 0; second < 30; second += 10) {
      center.bench.clock.advance(10_000);
      client.send(client.request("v1/heartbeat").datagram);
    }
    await center.settle();
    assert.equal(client.ask("v1/heartbeat").code, Code.Changed);
  });
});
