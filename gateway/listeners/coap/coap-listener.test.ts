// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Code, codeText, MessageType } from "../../../protocol/coap/codes.ts";
import { encodeEmpty } from "../../../protocol/coap/encoder.ts";
import { blockOption, uintOption } from "../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../protocol/coap/options.ts";
import { mutateAnywhere, seededDraw } from "../../../protocol/mqtt/testing/mutations.ts";
import { SAMPLE_MESSAGES } from "../../../protocol/coap/testing/samples.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { EXCHANGE_LIFETIME_MS } from "./exchange-cache.ts";
import { BenchClient, CoapBench, SILENCE_LIMIT_MS, uintOf } from "./testing/coap-bench.ts";

function connected(): { bench: CoapBench; client: BenchClient } {
  const bench = new CoapBench();
  const client = new BenchClient(bench);
  assert.equal(client.hello().code, Code.Changed);
  return { bench, client };
}

describe("a CoAP session", () => {
  test("begins with a hello, goes on with heartbeats and ends with a goodbye", () => {
    const { bench, client } = connected();
    assert.equal(bench.table.openCount, 1);
    assert.equal(client.ask("v1/heartbeat", { payload: "{1}" }).code, Code.Changed);
    assert.deepEqual(bench.taken, [
      { channel: "hello", text: "{}", ticket: -1 },
      { channel: "heartbeat", text: "{1}", ticket: -1 },
    ]);
    assert.equal(client.ask("v1/hello", { code: Code.Delete }).code, Code.Deleted);
    assert.deepEqual(bench.closed, ["closed"]);
    assert.equal(bench.table.openCount, 0);
  });

  test("is needed for everything else: a device without one is asked to say hello", () => {
    const client = new BenchClient(new CoapBench());
    for (const path of ["v1/heartbeat", "v1/report", "v1/log"]) {
      assert.equal(client.ask(path).code, Code.Conflict, path);
    }
    assert.equal(client.ask("v1/offer", { code: Code.Get }).code, Code.Conflict);
    assert.equal(client.ask("v1/hello", { code: Code.Delete }).code, Code.Conflict);
  });

  test("ends with silence, and not while anything comes", () => {
    const { bench, client } = connected();
    for (let round = 0; round < 3; round += 1) {
      bench.clock.advance(SILENCE_LIMIT_MS - 1_000);
      client.ask("v1/log", { payload: "still here" });
    }
    assert.deepEqual(bench.closed, []);
    bench.clock.advance(SILENCE_LIMIT_MS + 1_000);
    assert.deepEqual(bench.closed, ["silent"]);
    assert.equal(client.ask("v1/heartbeat").code, Code.Conflict);
  });

  test("gives way to the device's newer one, also when all slots are taken", () => {
    const bench = new CoapBench({ maxSlots: 1 });
    const client = new BenchClient(bench);
    client.hello();
    client.hello();
    assert.deepEqual(bench.closed, ["taken-over"]);
    assert.equal(bench.table.openCount, 1);
    const other = new BenchClient(bench, { device: "pump-2", port: 40_001 });
    const full = other.hello();
    assert.equal(full.code, Code.ServiceUnavailable);
    assert.equal(uintOf(full, OptionNumber.MaxAge), 5);
  });

  test("is not begun by a hello that says nothing", () => {
    const bench = new CoapBench();
    bench.isHelloMalformed = true;
    const refused = new BenchClient(bench).hello();
    assert.deepEqual([refused.code, refused.payload.toString()], [Code.BadRequest, "it is none"]);
    assert.equal(bench.table.openCount, 0);
  });

  test("does not displace one of a device that has shown who it is", () => {
    const bench = new CoapBench();
    const { lifecycle } = bench.context;
    const link = {
      certificateSerial: "0a",
      deliver: () => "sent" as const,
      acknowledge: () => {},
      close: () => assert.fail("the session stays"),
    };
    const facts = { tenant: "default", device: "pump-1", protocolLevel: 5, keepAliveSeconds: 5 };
    lifecycle.open(lifecycle.connect(link), facts);
    assert.equal(new BenchClient(bench).hello().code, Code.Forbidden);
  });

  test("is refused for a minute after the center has turned the device away", () => {
    const { bench, client } = connected();
    bench.link("pump-1").close("refused");
    assert.equal(client.hello().code, Code.Forbidden);
    bench.clock.advance(60_001);
    assert.equal(client.hello().code, Code.Changed);
  });

  test("is not begun any more by a gateway that shuts down", () => {
    const { bench, client } = connected();
    bench.listener.stopAccepting();
    assert.equal(client.ask("v1/heartbeat").code, Code.Changed);
    assert.equal(client.hello().code, Code.ServiceUnavailable);
  });
});

describe("a report over CoAP", () => {
  test("is acknowledged at once and answered when it is durable", () => {
    const { bench, client } = connected();
    const token = Buffer.from("beef", "hex");
    const first = client.ask("v1/report", { payload: "{}", token, messageId: 7 });
    assert.deepEqual([first.type, first.code], [MessageType.Acknowledgement, Code.Empty]);
    assert.equal(first.messageId, 7);
    bench.link("pump-1").acknowledge(bench.taken[1]?.ticket ?? -1);
    const [answer] = client.received();
    assert.ok(answer !== undefined);
    assert.deepEqual([answer.type, answer.code], [MessageType.Confirmable, Code.Changed]);
    assert.deepEqual(answer.token, token);
  });

  test("is answered again and again until the device has the answer, and then no more", () => {
    const { bench, client } = connected();
    client.ask("v1/report", { payload: "{}" });
    bench.link("pump-1").acknowledge(1);
    const [first] = client.received();
    assert.ok(first !== undefined);
    bench.clock.advance(3_500);
    assert.deepEqual(client.received(), [first]);
    client.acknowledge(first);
    bench.clock.advance(10_000);
    assert.deepEqual(client.received(), []);
  });

  test("that asks for no acknowledgement gets one answer", () => {
    const { bench, client } = connected();
    const datagram = client.datagram("v1/report", { type: MessageType.NonConfirmable });
    assert.deepEqual(client.exchange(datagram), []);
    bench.link("pump-1").acknowledge(1);
    const [answer] = client.received();
    assert.deepEqual([answer?.type, answer?.code], [MessageType.NonConfirmable, Code.Changed]);
    bench.clock.advance(10_000);
    assert.deepEqual(client.received(), []);
  });

  test("that the gateway has no room for is to be sent later, and the session stays", () => {
    const { bench, client } = connected();
    bench.reportResult = IntakeResult.Full;
    assert.equal(client.ask("v1/report").code, Code.ServiceUnavailable);
    bench.reportResult = IntakeResult.Malformed;
    assert.equal(client.ask("v1/report").code, Code.BadRequest);
    bench.reportResult = IntakeResult.Held;
    for (let count = 0; count < 32; count += 1) {
      assert.equal(client.ask("v1/report").code, Code.Empty);
    }
    assert.equal(client.ask("v1/report").code, Code.ServiceUnavailable);
    assert.deepEqual(bench.closed, []);
  });

  test("answers wait for each other: one is under way to a device", () => {
    const { bench, client } = connected();
    for (let count = 0; count < 3; count += 1) client.ask("v1/report");
    for (const ticket of [1, 2, 3]) bench.link("pump-1").acknowledge(ticket);
    for (let count = 0; count < 3; count += 1) {
      const [answer, ...more] = client.received();
      assert.ok(answer !== undefined && more.length === 0);
      client.acknowledge(answer);
    }
    assert.deepEqual(client.received(), []);
  });
});

describe("a message that comes twice", () => {
  test("is answered alike, and taken once", () => {
    const { bench, client } = connected();
    const datagram = client.datagram("v1/heartbeat", { payload: "{1}" });
    const answers = [client.exchange(datagram), client.exchange(datagram)];
    assert.deepEqual(answers[0], answers[1]);
    assert.equal(bench.taken.length, 2);
  });

  test("is a new one from somewhere else, with another id, or after its lifetime", () => {
    const { bench, client } = connected();
    const other = new BenchClient(bench, { port: 40_001 });
    client.ask("v1/log", { messageId: 9 });
    other.ask("v1/log", { messageId: 9 });
    client.ask("v1/log", { messageId: 10 });
    assert.equal(bench.taken.length, 4);
    for (let waitedMs = 0; waitedMs < EXCHANGE_LIFETIME_MS; waitedMs += 10_000) {
      bench.clock.advance(10_000);
      client.ask("v1/heartbeat");
    }
    const before = bench.taken.length;
    client.ask("v1/log", { messageId: 9 });
    assert.equal(bench.taken.length, before + 1);
  });

  test("a report that waits for its answer is acknowledged again", () => {
    const { bench, client } = connected();
    const datagram = client.datagram("v1/report");
    client.exchange(datagram);
    const [again] = client.exchange(datagram);
    assert.deepEqual([again?.type, again?.code], [MessageType.Acknowledgement, Code.Empty]);
    assert.equal(bench.taken.length, 2);
  });
});

describe("what CoAP forbids", () => {
  const cases: Readonly<Record<string, [path: string, code: number, answer: number]>> = {
    "an unknown resource": ["v1/nothing", Code.Post, Code.NotFound],
    "a wrong method": ["v1/heartbeat", Code.Get, Code.MethodNotAllowed],
    "another wrong method": ["v1/offer", Code.Post, Code.MethodNotAllowed],
  };
  for (const [what, [path, code, answer]] of Object.entries(cases)) {
    test(`${what} is answered by ${codeText(answer)}`, () => {
      const { client } = connected();
      assert.equal(client.ask(path, { code }).code, answer);
    });
  }

  test("another format, a proxy, a nameless device and a critical option are refused", () => {
    const { client } = connected();
    const asked = (number: number, value: number): number =>
      client.ask("v1/heartbeat", { options: [uintOption(number, value)] }).code;
    assert.equal(asked(OptionNumber.ContentFormat, 60), Code.UnsupportedContentFormat);
    assert.equal(asked(OptionNumber.ContentFormat, 50), Code.Changed);
    assert.equal(asked(OptionNumber.ContentFormat, 42), Code.Changed, "as a hello may name it");
    assert.equal(asked(OptionNumber.ProxyUri, 1), Code.ProxyingNotSupported);
    assert.equal(asked(OptionNumber.IfNoneMatch, 0), Code.BadOption);
    assert.equal(asked(OptionNumber.Oscore, 9), Code.BadOption);
    assert.equal(asked(OptionNumber.Size1, 9), Code.Changed, "an elective one is passed over");
    for (const query of [[], ["device="], ["device=a/b"], ["device=a", "tenant=A"]]) {
      assert.equal(client.ask("v1/heartbeat", { query }).code, Code.BadRequest);
    }
    const accept = [uintOption(OptionNumber.Accept, 60)];
    const offer = client.ask("v1/offer", { code: Code.Get, options: accept });
    assert.equal(offer.code, Code.NotAcceptable);
  });

  test("what is no request is reset when it is confirmable, and else passed over", () => {
    const { client } = connected();
    const reset = encodeEmpty(MessageType.Reset, 0x1234);
    const confirmable = ["40001234", "40451234", "40e11234", "4001 1234 ff", "4f011234"];
    for (const hex of confirmable) {
      const datagram = Buffer.from(hex.replaceAll(" ", ""), "hex");
      client.bench.listener.receive(datagram, client.place);
      assert.deepEqual(client.bench.sentTo(client.place), [reset], hex);
      datagram[0] = (datagram[0] as number) | 0x10;
      client.bench.listener.receive(datagram, client.place);
      assert.deepEqual(client.bench.sentTo(client.place), [], hex);
    }
    for (const hex of ["", "40", "00011234", "c0011234"]) {
      client.bench.listener.receive(Buffer.from(hex, "hex"), client.place);
    }
    assert.deepEqual(client.received(), []);
  });

  test("damaged datagrams are survived, and answered with no more than three times as much", () => {
    const { bench, client } = connected();
    const draw = seededDraw(20_260_101);
    for (let count = 0; count < 20_000; count += 1) {
      const sample = SAMPLE_MESSAGES[draw(SAMPLE_MESSAGES.length)];
      assert.ok(sample !== undefined);
      const datagram = mutateAnywhere(sample, draw);
      bench.listener.receive(datagram, client.place);
      const bytes = bench.sentTo(client.place).reduce((sum, { length }) => sum + length, 0);
      assert.ok(bytes <= datagram.length * 3, datagram.toString("hex"));
    }
  });
});

describe("No-Response", () => {
  test("leaves out what the client does not want to hear", () => {
    const { client } = connected();
    const quiet = { type: MessageType.NonConfirmable, options: [uintOption(258, 2)] };
    assert.deepEqual(client.exchange(client.datagram("v1/heartbeat", quiet)), []);
    const [refused] = client.exchange(client.datagram("v1/nothing", quiet));
    assert.equal(refused?.code, Code.NotFound);
    const [acknowledged] = client.exchange(
      client.datagram("v1/heartbeat", { options: [uintOption(258, 2)] }),
    );
    assert.equal(acknowledged?.code, Code.Empty);
  });
});

describe("a body in blocks", () => {
  const whole = "x".repeat(2_500);
  function send(client: BenchClient, number: number, text: string, hasMore: boolean): number {
    const block = { number, hasMore, sizeExponent: 6 };
    const options = [blockOption(OptionNumber.Block1, block)];
    return client.ask("v1/report", { payload: text, options }).code;
  }

  test("is put together before anybody sees it", () => {
    const { bench, client } = connected();
    assert.equal(send(client, 0, whole.slice(0, 1_024), true), Code.Continue);
    assert.equal(send(client, 1, whole.slice(1_024, 2_048), true), Code.Continue);
    assert.equal(bench.taken.length, 1);
    assert.equal(send(client, 2, whole.slice(2_048), false), Code.Empty);
    assert.equal(bench.taken[1]?.text, whole);
  });

  test("is refused with a gap, beyond its limit, or with a block that is not full", () => {
    const { bench, client } = connected();
    assert.equal(send(client, 1, whole.slice(0, 1_024), true), Code.RequestEntityIncomplete);
    assert.equal(send(client, 0, "short", true), Code.BadRequest);
    for (let number = 0; number < 8; number += 1) {
      assert.equal(send(client, number, whole.slice(0, 1_024), true), Code.Continue);
    }
    assert.equal(send(client, 8, "x", false), Code.RequestEntityTooLarge);
    assert.equal(bench.taken.length, 1);
  });
});

describe("discovery", () => {
  test("lists the resources to a place that is verified, and challenges others", () => {
    const { client } = connected();
    const [challenge] = client.exchange(
      client.datagram(".well-known/core", { code: Code.Get, query: [] }),
    );
    assert.equal(challenge?.code, Code.Unauthorized);
    const echo = challenge?.options.find(({ number }) => number === OptionNumber.Echo);
    assert.ok(echo !== undefined);
    const listed = client.ask(".well-known/core", { code: Code.Get, query: [], options: [echo] });
    assert.equal(listed.code, Code.Content);
    assert.match(listed.payload.toString(), /<\/v1\/offer>;ct=50;obs/);
    assert.match(listed.payload.toString(), /<\/v1\/heartbeat>;ct="50 42"/);
  });
});
