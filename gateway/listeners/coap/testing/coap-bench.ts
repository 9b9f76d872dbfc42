// SPDX-License-Identifier: Apache-2.0
/**
 * A CoAP listener in memory, on virtual time, with everything behind it that a session needs, and
 * clients that write and read real datagrams.
 */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { SILENT_LOGGER } from "../../../../ports/logger.ts";
import { Code, MessageType } from "../../../../protocol/coap/codes.ts";
import { decodeMessage } from "../../../../protocol/coap/decoder.ts";
import { encodeEmpty, encodeMessage } from "../../../../protocol/coap/encoder.ts";
import type { CoapMessage, CoapOption, DecodedMessage } from "../../../../protocol/coap/message.ts";
import { optionUint, optionValue, textOption } from "../../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../../protocol/coap/options.ts";
import { VirtualClock } from "../../../../test/helpers/virtual-clock.ts";
import { GatewayMetrics } from "../../../metrics.ts";
import { IntakeResult } from "../../../pipeline/intake-result.ts";
import { Presence } from "../../../presence/presence.ts";
import { TimingWheel } from "../../../presence/timing-wheel.ts";
import type { CloseCause, DeviceLink } from "../../../sessions/device-link.ts";
import { SessionLifecycle } from "../../../sessions/session-lifecycle.ts";
import { SessionTable } from "../../../sessions/session-table.ts";
import type { CoapContext } from "../coap-context.ts";
import { insecureListener, type CoapListener } from "../coap-listener.ts";
import type { Source } from "../source.ts";

/** Longest silence of a session, ms. */
export const SILENCE_LIMIT_MS = 15_000;

export interface Taken {
  readonly channel: string;
  readonly text: string;
  readonly ticket: number;
}

export class CoapBench {
  readonly clock: VirtualClock = new VirtualClock();
  readonly table: SessionTable;
  readonly taken: Taken[] = [];
  readonly closed: CloseCause[] = [];
  readyCount = 0;
  /** What becomes of a report; the other channels are always taken. */
  reportResult: IntakeResult = IntakeResult.Held;
  isHelloMalformed = false;
  readonly registry: Registry = new Registry();
  readonly context: CoapContext;
  readonly listener: CoapListener;
  readonly #sent: { readonly bytes: Buffer; readonly to: Source }[] = [];

  constructor(
    options: {
      maxSlots?: number;
      listener?: (
        context: CoapContext,
        transmit: (bytes: Buffer, to: Source) => void,
      ) => CoapListener;
    } = {},
  ) {
    const { clock, registry } = this;
    const table = new SessionTable({ maxSlots: options.maxSlots ?? 8 });
    this.table = table;
    const wheel = new TimingWheel({ tickMs: 250, nowMs: 0 });
    const presence = new Presence({ clock, table, wheel, detectionMs: 2_000 });
    const limits = { connectDeadlineMs: 10_000, silenceLimitMs: SILENCE_LIMIT_MS };
    const lifecycle = new SessionLifecycle({ table, presence, ...limits });
    presence.start(lifecycle);
    lifecycle.observe([
      {
        sessionOpened: () => {},
        sessionIdentified: () => {},
        sessionReady: () => void (this.readyCount += 1),
        sessionClosed: (_slot, cause) => void this.closed.push(cause),
      },
    ]);
    let seed = 1;
    this.context = {
      table,
      presence,
      lifecycle,
      clock,
      logger: SILENT_LOGGER,
      metrics: new GatewayMetrics({ registry }),
      random: {
        next: () => (seed = (seed * 48_271) % 0x7fff_ffff) / 0x7fff_ffff,
        bytes: (length) => Buffer.alloc(length, 7),
      },
      intake: {
        fault: "it is none",
        take: (_slot, channel, payload, ticket) => {
          this.taken.push({ channel, text: payload.toString(), ticket });
          if (channel === "report") return this.reportResult;
          const isMalformed = channel === "hello" && this.isHelloMalformed;
          return isMalformed ? IntakeResult.Malformed : IntakeResult.Taken;
        },
      },
    };
    this.listener = (options.listener ?? insecureListener)(this.context, (bytes, to) => {
      this.#sent.push({ bytes: Buffer.from(bytes), to });
    });
  }

  /** The datagrams that went to a place since the last call. */
  sentTo(place: Source): Buffer[] {
    const mine = this.#sent.filter(
      ({ to }) => to.address === place.address && to.port === place.port,
    );
    const others = this.#sent.filter((sent) => !mine.includes(sent));
    this.#sent.splice(0, Infinity, ...others);
    return mine.map(({ bytes }) => bytes);
  }

  /** The session of a device, as the gateway's other parts see it. */
  link(device: string): DeviceLink {
    const slot = this.table.slotOfDevice(`default/${device}`);
    assert.notEqual(slot, -1, `${device} has a session`);
    return this.table.link(slot);
  }
}

export interface Asked {
  readonly type?: MessageType;
  readonly code?: number;
  readonly token?: Buffer;
  readonly messageId?: number;
  readonly query?: readonly string[];
  readonly options?: readonly CoapOption[];
  readonly payload?: string | Buffer;
}

/** A device as a CoAP client, at a place of its own. */
export class BenchClient {
  readonly bench: CoapBench;
  readonly place: Source;
  readonly query: readonly string[];
  #messageId = 100;

  constructor(bench: CoapBench, options: { device?: string; port?: number } = {}) {
    this.bench = bench;
    this.place = { address: "192.0.2.1", port: options.port ?? 40_000 };
    this.query = [`device=${options.device ?? "pump-1"}`];
  }

  /** A request as a datagram. */
  datagram(path: string, asked: Asked = {}): Buffer {
    const segments = path.split("/").map((part) => textOption(OptionNumber.UriPath, part));
    const query = (asked.query ?? this.query).map((part) =>
      textOption(OptionNumber.UriQuery, part),
    );
    const options = [...segments, ...query, ...(asked.options ?? [])];
    this.#messageId += 1;
    return encodeMessage({
      type: asked.type ?? MessageType.Confirmable,
      code: asked.code ?? Code.Post,
      messageId: asked.messageId ?? this.#messageId,
      token: asked.token ?? Buffer.from([this.#messageId]),
      options: options.toSorted((left, right) => left.number - right.number),
      payload: Buffer.from(asked.payload ?? ""),
    });
  }

  /** Sends a datagram; what came back. */
  exchange(datagram: Buffer): DecodedMessage[] {
    this.bench.listener.receive(datagram, this.place);
    return this.received();
  }

  /** Sends a request; its one answer. */
  ask(path: string, asked: Asked = {}): DecodedMessage {
    const [answer, ...more] = this.exchange(this.datagram(path, asked));
    assert.ok(answer !== undefined && more.length === 0, "there is one answer");
    return answer;
  }

  received(): DecodedMessage[] {
    return this.bench.sentTo(this.place).map((bytes) => {
      const message = decodeMessage(bytes);
      assert.ok(!("fault" in message), "the gateway writes valid messages");
      return message;
    });
  }

  hello(): DecodedMessage {
    return this.ask("v1/hello", { payload: "{}" });
  }

  /** Registers an observation, answering the challenge where there is one. */
  observe(token: Buffer = Buffer.from("0b5e", "hex")): DecodedMessage {
    const options = [{ number: OptionNumber.Observe, value: Buffer.alloc(0) }];
    const answer = this.ask("v1/offer", { code: Code.Get, options, token });
    const value = optionValue(answer.options, OptionNumber.Echo);
    if (value === null) return answer;
    const echoed = [...options, { number: OptionNumber.Echo, value }];
    return this.ask("v1/offer", { code: Code.Get, options: echoed, token });
  }

  acknowledge(message: CoapMessage, type: MessageType = MessageType.Acknowledgement): void {
    this.bench.listener.receive(encodeEmpty(type, message.messageId), this.place);
  }
}

export function uintOf(message: DecodedMessage, number: number): number | null {
  return optionUint(message.options, number);
}
