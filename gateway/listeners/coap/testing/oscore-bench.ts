// SPDX-License-Identifier: Apache-2.0
/**
 * The listener under OSCORE in memory, with a center that has keys, and clients that have theirs.
 */
import assert from "node:assert/strict";
import { Code, MessageType } from "../../../../protocol/coap/codes.ts";
import { decodeMessage } from "../../../../protocol/coap/decoder.ts";
import { encodeMessage } from "../../../../protocol/coap/encoder.ts";
import type { CoapMessage, CoapOption, DecodedMessage } from "../../../../protocol/coap/message.ts";
import { optionValue, textOption } from "../../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../../protocol/coap/options.ts";
import { deriveKeys } from "../../../../protocol/coap/oscore/key-derivation.ts";
import { OscoreClient } from "../../../../protocol/coap/oscore/oscore-client.ts";
import { oscoreListener } from "../coap-listener.ts";
import type { DeviceContext } from "../key-table.ts";
import { GATEWAY_ID } from "../oscore-sealer.ts";
import type { Source } from "../source.ts";
import { CoapBench } from "./coap-bench.ts";

const MASTER_SECRET = Buffer.from("0102030405060708090a0b0c0d0e0f10", "hex");
const MASTER_SALT = Buffer.from("9e7ca92223786340", "hex");

export class OscoreBench {
  readonly bench: CoapBench;
  /** Sender ids in hex, by device: what the center knows. */
  readonly known: Map<string, string> = new Map([["0a", "pump-1"]]);
  /** How the keys of a device are made. */
  masterSecret: Buffer = MASTER_SECRET;
  /** Sender ids that the center was asked for, batch by batch. */
  readonly asked: string[][] = [];
  numberCount = 65_536;
  isAway = false;
  #range = 0;

  constructor(options: { maxSlots?: number } = {}) {
    this.bench = new CoapBench({
      ...options,
      listener: (context, transmit) =>
        oscoreListener({
          context,
          transmit,
          fetchContexts: (senderIds) => this.#give(senderIds),
        }),
    });
  }

  /** Lets the listener ask the center, and the answer come back. */
  async settle(): Promise<void> {
    this.bench.clock.advance(20);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }

  async #give(senderIds: readonly Buffer[]): Promise<(DeviceContext | null)[]> {
    this.asked.push(senderIds.map((id) => id.toString("hex")));
    if (this.isAway) throw new Error("the center is away");
    return senderIds.map((senderId) => {
      const device = this.known.get(senderId.toString("hex"));
      if (device === undefined) return null;
      this.#range += 1;
      const numbers = { first: this.#range * 65_536, count: this.numberCount };
      return { senderId, tenant: "default", device, keys: this.#keysOf(senderId), numbers };
    });
  }

  #keysOf(senderId: Buffer): Buffer {
    const { senderKey, recipientKey, commonIv } = deriveKeys({
      masterSecret: this.masterSecret,
      masterSalt: MASTER_SALT,
      senderId: GATEWAY_ID,
      recipientId: senderId,
      idContext: null,
    });
    return Buffer.concat([recipientKey, senderKey, commonIv]);
  }
}

/** What came back for a request. */
export interface OscoreAnswer {
  readonly code: number;
  readonly options: DecodedMessage["options"];
  readonly payload: Buffer;
  /** The datagram. */
  readonly outer: DecodedMessage;
  /** False: it was not protected. */
  readonly isProtected: boolean;
}

export interface OscoreAsked {
  readonly type?: MessageType;
  readonly code?: number;
  readonly token?: Buffer;
  readonly options?: readonly CoapOption[];
  readonly payload?: string;
}

export class OscoreBenchClient {
  readonly center: OscoreBench;
  readonly place: Source;
  readonly client: OscoreClient;
  #messageId = 100;

  constructor(
    center: OscoreBench,
    options: { senderId?: string; port?: number; masterSecret?: Buffer } = {},
  ) {
    this.center = center;
    this.place = { address: "192.0.2.1", port: options.port ?? 40_000 };
    this.client = new OscoreClient({
      masterSecret: options.masterSecret ?? MASTER_SECRET,
      masterSalt: MASTER_SALT,
      senderId: Buffer.from(options.senderId ?? "0a", "hex"),
      recipientId: GATEWAY_ID,
      idContext: null,
    });
  }

  /** A protected request as a datagram, and what its answer needs. */
  request(path: string, asked: OscoreAsked = {}): { datagram: Buffer; partialIv: Buffer } {
    const segments = path.split("/").map((part) => textOption(OptionNumber.UriPath, part));
    const options = [...segments, ...(asked.options ?? [])];
    this.#messageId += 1;
    const plain: CoapMessage = {
      type: asked.type ?? MessageType.Confirmable,
      code: asked.code ?? Code.Post,
      messageId: this.#messageId,
      token: asked.token ?? Buffer.from([this.#messageId]),
      options: options.toSorted((left, right) => left.number - right.number),
      payload: Buffer.from(asked.payload ?? ""),
    };
    const { message, partialIv } = this.client.protect(plain);
    return { datagram: encodeMessage(message), partialIv };
  }

  send(datagram: Buffer): DecodedMessage[] {
    this.center.bench.listener.receive(datagram, this.place);
    return this.received();
  }

  received(): DecodedMessage[] {
    return this.center.bench.sentTo(this.place).map((bytes) => {
      const message = decodeMessage(bytes);
      assert.ok(!("fault" in message), "the gateway writes valid messages");
      return message;
    });
  }

  /** Sends a request; its one answer. */
  ask(path: string, asked: OscoreAsked = {}): OscoreAnswer {
    const { datagram, partialIv } = this.request(path, asked);
    const [outer, ...more] = this.send(datagram);
    assert.ok(outer !== undefined && more.length === 0, "there is one answer");
    return this.read(outer, partialIv);
  }

  read(outer: DecodedMessage, partialIv: Buffer): OscoreAnswer {
    const inner = this.client.unprotect(outer, partialIv);
    if (inner !== null) return { ...inner, outer, isProtected: true };
    assert.equal(optionValue(outer.options, OptionNumber.Oscore), null, "it verifies");
    const { code, options, payload } = outer;
    return { code, options, payload, outer, isProtected: false };
  }

  /** From the first datagram to a session: keys are fetched, the challenge is answered. */
  async hello(): Promise<OscoreAnswer> {
    const first = this.request("v1/hello", { payload: "{}" });
    assert.deepEqual(this.send(first.datagram), []);
    await this.center.settle();
    const [outer] = this.received();
    assert.ok(outer !== undefined, "the request goes on when the keys are here");
    return this.answerChallenge(this.read(outer, first.partialIv), "v1/hello", { payload: "{}" });
  }

  /** Asks again with the Echo of the answer. */
  answerChallenge(challenge: OscoreAnswer, path: string, asked: OscoreAsked): OscoreAnswer {
    const value = optionValue(challenge.options, OptionNumber.Echo);
    assert.ok(challenge.code === Code.Unauthorized && challenge.isProtected && value !== null);
    const options = [...(asked.options ?? []), { number: OptionNumber.Echo, value }];
    return this.ask(path, { ...asked, options });
  }
}
