// SPDX-License-Identifier: Apache-2.0
/**
 * The parsers that read what a device or a load balancer sends before anybody trusts it, each with
 * a way to make damaged inputs. What a parser accepts is written and read again where there is a
 * writer.
 */
import assert from "node:assert/strict";
import { offeredProtocols } from "../../gateway/listeners/tls/client-hello.ts";
import { parseProxyHeader } from "../../gateway/listeners/proxy/proxy-header.ts";
import { DeviceMessages } from "../../gateway/pipeline/device-messages.ts";
import { decodeMessage } from "../../protocol/coap/decoder.ts";
import {
  decodeOscoreOption,
  decodePartialIv,
  encodeOscoreOption,
  encodePartialIv,
} from "../../protocol/coap/oscore/oscore-option.ts";
import { isFault } from "../../protocol/codec.ts";
import { SAMPLE_MESSAGES } from "../../protocol/coap/testing/samples.ts";
import { CODECS } from "../../protocol/device/codec-names.ts";
import { heartbeatCodec } from "../../protocol/device/heartbeat-codecs.ts";
import { FrameDecoder } from "../../protocol/framed/frame-decoder.ts";
import { deviceFrames } from "../../protocol/framed/frames.ts";
import { SAMPLE_FRAMES } from "../../protocol/framed/testing/sample-frames.ts";
import { DEFAULT_DECODER_LIMITS } from "../../protocol/mqtt/decoder-limits.ts";
import { freshDecoder, openDecoder } from "../../protocol/mqtt/testing/decoding.ts";
import { type Draw, mutateAnywhere } from "../../protocol/mqtt/testing/mutations.ts";
import { SAMPLES } from "../../protocol/mqtt/testing/sample-packets.ts";
import { heartbeatFields } from "../../protocol/protobuf/testing/wire-fields.ts";

export interface FuzzedParser {
  readonly name: string;
  /** The files whose branches are counted, from the root of the repository. */
  readonly files: readonly string[];
  /** Makes one damaged input and has it parsed. Throws what the parser throws. */
  feed(draw: Draw): void;
}

/** Small, so that every limit is met. */
const LIMITS = {
  ...DEFAULT_DECODER_LIMITS,
  maxPacketBytes: 300,
  maxConnectBytes: 150,
  maxTopicLevels: 4,
  maxUserProperties: 2,
  maxSubscriptions: 2,
};

function pick<Value>(values: readonly Value[], draw: Draw): Value {
  return values[draw(values.length)] as Value;
}

/** By level and receiver. */
const SIBLINGS = SAMPLES.map(({ level, receiver }) =>
  SAMPLES.filter((sample) => sample.level === level && sample.receiver === receiver).map((sample) =>
    Buffer.from(sample.hex, "hex"),
  ),
);

/** Properties of level 5, well-formed, to put where a packet has some. */
const PROPERTIES = [
  "0101",
  "0200000010",
  "03000178",
  "0800036f2f6b",
  "0800012b",
  "0900027879",
  "0b05",
  "0b00",
  "1100000010",
  "15000178",
  "16000179",
  "1701",
  "1902",
  "210000",
  "210005",
  "2200ff",
  "230000",
  "230001",
  "2401",
  "2402",
  "2700000000",
  "2700000100",
  "26000161000162",
].map((hex) => Buffer.from(hex, "hex"));

/** A PUBLISH, SUBSCRIBE or the like at level 5 with properties that do or do not belong there. */
function withProperties(draw: Draw): Buffer {
  const properties = Buffer.concat(Array.from({ length: draw(4) }, () => pick(PROPERTIES, draw)));
  const sized = Buffer.concat([Buffer.of(properties.length), properties]);
  const [first, before, after] = pick(
    [
      [0x30, "0001 61", "6869"],
      [0x30, "0000", "6869"],
      [0x82, "0001", "0003612f2301000162 02"],
      [0x82, "0001", "000a2473686172652f672f61 05"],
      [0x82, "0001", "000161 00000161 00 000161 00"],
      [0xa2, "0001", "0001610001620001 63"],
      [0x40, "000a10", ""],
      [0xe0, "04", ""],
      [0xf0, "18", ""],
      [0x10, "00044d51545405 02 003c", "000161"],
      [0x10, "00044d51545405 c6 003c", "000161 00 000177000178 000175000170"],
      [0x20, "0000", ""],
      [0x90, "0001", "0001"],
      [0xb0, "0001", "0011"],
    ] as const,
    draw,
  );
  const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
  const body = Buffer.concat([bytes(before), sized, bytes(after)]);
  return Buffer.concat([Buffer.of(first, body.length), body]);
}

/** Three of four streams follow a valid CONNECT (CONNACK at a client). */
function feedMqtt(draw: Draw): void {
  const index = draw(SAMPLES.length);
  const { receiver, level } = SAMPLES[index] as (typeof SAMPLES)[number];
  const siblings = SIBLINGS[index] as readonly Buffer[];
  const packets = Array.from({ length: 1 + draw(3) }, () => {
    const whole = level === 5 && draw(3) === 0 ? withProperties(draw) : pick(siblings, draw);
    return draw(3) === 0 ? whole : mutateAnywhere(whole, draw);
  });
  if (draw(50) === 0)
    packets.push(Buffer.from(pick(["30ffffffff01", "30808001", "c08000"], draw), "hex"));
  const stream = Buffer.concat(packets);
  const options = { level, receiver, limits: LIMITS };
  const decoder = draw(4) > 0 ? openDecoder(options) : freshDecoder(options);
  // In two pieces, or one now and then.
  const cutAt = draw(stream.length + 1);
  for (const piece of [stream.subarray(0, cutAt), stream.subarray(cutAt)]) {
    decoder.push(piece);
    for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
      if (packet.type === 0) return;
    }
  }
}

const V2 = "0d0a0d0a000d0a515549540a";
const PROXY_HEADERS = [
  Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.2 40000 8883\r\n"),
  Buffer.from("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"),
  Buffer.from("PROXY UNKNOWN whatever\r\n"),
  Buffer.from(`PROXY ${"x".repeat(110)}`),
  Buffer.from(`${V2}2111000cc0000201c00002029c4022b3`, "hex"),
  Buffer.from(`${V2}21210024${"20010db8".repeat(8)}9c4022b3`, "hex"),
  Buffer.from(`${V2}20000000`, "hex"),
  Buffer.from(`${V2}21310000`, "hex"),
  Buffer.from(`${V2}21410000`, "hex"),
];

/** A record of TLS with a ClientHello that has these extensions, in hex. */
function clientHello(extensions: string): Buffer {
  const sized = (hex: string, bytes: number): string =>
    (hex.length / 2).toString(16).padStart(bytes * 2, "0") + hex;
  const fields = `0303${"5a".repeat(32)}${sized("11", 1)}${sized("1301", 2)}${sized("00", 1)}`;
  const handshake = `01${sized(fields + sized(extensions, 2), 3)}`;
  return Buffer.from(`160301${sized(handshake, 2)}`, "hex");
}

const CLIENT_HELLOS = [
  // Server name, ALPN h2 and http/1.1, one more; then one with ALPN alone, and one with nothing.
  clientHello("0000000e000c0000096c6f63616c686f73740010000e000c02683208687474702f312e31ff01000100"),
  clientHello("001000070005046d717474"),
  clientHello(""),
  Buffer.from("1503030002022a", "hex"),
];

const OSCORE_OPTIONS = ["", "09050165", "1905020263746b6964", "1102", "0a0102", "1907020163"].map(
  (hex) => Buffer.from(hex, "hex"),
);

function feedOscore(draw: Draw): void {
  const header = decodeOscoreOption(mutateAnywhere(pick(OSCORE_OPTIONS, draw), draw));
  if (header === null) return;
  encodeOscoreOption(header);
  if (header.partialIv !== null) encodePartialIv(decodePartialIv(header.partialIv));
}

const SLOT = { digest: "5b".repeat(32), version: "1.0", generation: 3, health: "healthy" };
const JSON_MESSAGES = [
  {
    protocol: 1,
    agent: "a/1",
    codec: "json",
    inventory: { hwRevision: "a" },
    slots: { app: SLOT, os: { ...SLOT, digest: "", health: "unknown" } },
    features: ["windows"],
  },
  { sequence: 4, slots: { app: SLOT } },
  {
    rollout: 1,
    position: 2,
    generation: 3,
    sequence: 4,
    phase: "failed",
    reason: "no-space",
    detail: "…",
    digest: SLOT.digest,
    atMs: 5,
    exitCode: 6,
  },
];
const NASTY_VALUES = [null, -1, 1.5, 1e300, "", "\u0000", "x".repeat(5_000), [], {}, true];

const messages = new DeviceMessages();
const heartbeats = heartbeatCodec("json");

/** Of the text, or of one value of it. */
function feedJson(draw: Draw): void {
  const message = pick(JSON_MESSAGES, draw);
  let bytes = Buffer.from(JSON.stringify(message));
  if (draw(2) === 0) {
    const at = draw(20);
    let count = 0;
    const changed = JSON.stringify(message, (_key, value: unknown) =>
      count++ === at ? pick(NASTY_VALUES, draw) : value,
    );
    bytes = Buffer.from(changed ?? "");
  } else bytes = Buffer.from(mutateAnywhere(bytes, draw));
  messages.hello(bytes);
  const heartbeat = messages.heartbeat(bytes, CODECS.indexOf("json"));
  if (!isFault(heartbeat)) heartbeats.encode(heartbeat);
  messages.report(bytes);
  messages.log(draw(100) === 0 ? Buffer.alloc(draw(2) * 5_000) : bytes);
}

function feedProtobuf(draw: Draw): void {
  const bytes = heartbeatFields(draw);
  const damaged = draw(4) === 0 ? bytes : mutateAnywhere(bytes, draw);
  messages.heartbeat(damaged, CODECS.indexOf("protobuf"));
}

const deviceFrameCodec = deviceFrames();

/** A few frames, most of them damaged, in two pieces. */
function feedFramed(draw: Draw): void {
  const maxBytes = draw(4) === 0 ? {} : { maxBytes: 150 };
  const decoder = new FrameDecoder({ frames: deviceFrameCodec, ...maxBytes });
  const parts = Array.from({ length: 1 + draw(3) }, () => {
    const whole = pick(SAMPLE_FRAMES, draw);
    return draw(3) === 0 ? whole : mutateAnywhere(whole, draw);
  });
  const stream = Buffer.concat(parts);
  const cutAt = draw(stream.length + 1);
  for (const piece of [stream.subarray(0, cutAt), stream.subarray(cutAt)]) {
    decoder.push(piece);
    for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
      if (isFault(frame)) return assert.equal(decoder.next(), frame);
    }
    assert.ok(decoder.pendingBytes <= stream.length);
  }
}

const MQTT = ["decoder", "packet-reader", "connect-decoder", "publish-decoder"];
const MQTT_MORE = ["subscribe-decoder", "control-decoder", "property-decoder", "topics"];

export const PARSERS: readonly FuzzedParser[] = [
  {
    name: "mqtt",
    files: [...MQTT, ...MQTT_MORE].map((file) => `protocol/mqtt/${file}.ts`),
    feed: feedMqtt,
  },
  { name: "framed", files: ["protocol/framed/frame-decoder.ts"], feed: feedFramed },
  {
    name: "proxy-header",
    files: ["gateway/listeners/proxy/proxy-header.ts"],
    feed: (draw) => void parseProxyHeader(mutateAnywhere(pick(PROXY_HEADERS, draw), draw)),
  },
  {
    name: "client-hello",
    files: ["gateway/listeners/tls/client-hello.ts"],
    feed: (draw) => void offeredProtocols(mutateAnywhere(pick(CLIENT_HELLOS, draw), draw)),
  },
  {
    name: "coap",
    files: ["protocol/coap/decoder.ts"],
    feed: (draw) => void decodeMessage(mutateAnywhere(pick(SAMPLE_MESSAGES, draw), draw)),
  },
  { name: "oscore-option", files: ["protocol/coap/oscore/oscore-option.ts"], feed: feedOscore },
  {
    name: "json",
    files: ["protocol/json-codec.ts", "gateway/pipeline/device-messages.ts"],
    feed: feedJson,
  },
  {
    name: "protobuf",
    files: ["protocol/protobuf/protobuf-reader.ts"],
    feed: feedProtobuf,
  },
];
