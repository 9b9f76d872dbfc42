// SPDX-License-Identifier: Apache-2.0
/**
 * Who sends a request under OSCORE, and what it says inside (RFC 8613 §8.2):
 *
 * 1. the sender's keys, by its sender id; when they are not here they are fetched, and the request
 *    goes on when they come;
 * 2. its number must not have been received before;
 * 3. it must verify;
 * 4. a sender whose numbers are not known has to show that this is new: 4.01 with an Echo.
 *
 * Errors of the first three steps are answered without protection, and without a word that only the
 * sender may know. A number that was received before is passed over in silence: it is an
 * attacker's, or a repeat whose answer is not kept any more.
 */
import type { Clock } from "../../../ports/clock.ts";
import { Code, codeClass } from "../../../protocol/coap/codes.ts";
import type { DecodedOption } from "../../../protocol/coap/message.ts";
import { checkOptions } from "../../../protocol/coap/option-checks.ts";
import { optionValue } from "../../../protocol/coap/option-values.ts";
import { isCritical, OPTION_RULES, OptionNumber } from "../../../protocol/coap/options.ts";
import { open } from "../../../protocol/coap/oscore/aead.ts";
import { decodeInner, type InnerMessage } from "../../../protocol/coap/oscore/inner-message.ts";
import { MAX_ID_BYTES } from "../../../protocol/coap/oscore/key-derivation.ts";
import {
  decodeOscoreOption,
  decodePartialIv,
} from "../../../protocol/coap/oscore/oscore-option.ts";
import type { GatewayMetrics } from "../../metrics.ts";
import type { CoapPeers, ReceivedRequest } from "./coap-peers.ts";
import { plainReply, type CoapRequest, type DeviceRequest } from "./coap-request.ts";
import type { EchoValues } from "./echo-values.ts";
import { KNOWN_OPTIONS } from "./known-options.ts";
import type { KeyTable } from "./key-table.ts";
import { OscoreRequest } from "./oscore-request.ts";
import type { ReplyWriter } from "./reply-writer.ts";

const NO_BYTES = Buffer.alloc(0);

/** Where keys come from that are not here. */
export interface KeySource {
  /** "unknown": the center has said lately that there are none. Else the request comes again. */
  ask(senderId: Buffer, request: ReceivedRequest): "unknown" | "asked";
}

export interface OscorePeersOptions {
  readonly keys: KeyTable;
  readonly source: KeySource;
  readonly echo: EchoValues;
  readonly writer: ReplyWriter;
  /** `tenant/device` of a row. */
  readonly nameOf: (keyRow: number) => string;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
}

export class OscorePeers implements CoapPeers {
  readonly #keys: KeyTable;
  readonly #source: KeySource;
  readonly #echo: EchoValues;
  readonly #writer: ReplyWriter;
  readonly #nameOf: (keyRow: number) => string;
  readonly #clock: Clock;
  readonly #metrics: GatewayMetrics;

  constructor(options: OscorePeersOptions) {
    this.#keys = options.keys;
    this.#source = options.source;
    this.#echo = options.echo;
    this.#writer = options.writer;
    this.#nameOf = options.nameOf;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
  }

  open(received: ReceivedRequest): DeviceRequest | null {
    const outer = outerRequest(received);
    const fault = outerFault(outer.options);
    if (fault !== null) return this.#refuse(outer, fault);
    const option = optionValue(outer.options, OptionNumber.Oscore);
    if (option === null) return this.#refuse(outer, Code.Unauthorized);
    const header = decodeOscoreOption(option);
    const kid = header?.kid ?? null;
    const partialIv = header?.partialIv ?? null;
    if (header === null || kid === null || partialIv === null) {
      return this.#refuse(outer, Code.BadOption, "Failed to decode COSE");
    }
    // Contexts are told apart by their sender ids alone: there is none with an ID Context.
    const isPossible = header.kidContext === null && kid.length > 0 && kid.length <= MAX_ID_BYTES;
    const row = isPossible ? this.#keys.find(kid) : -1;
    if (row === -1) {
      if (isPossible && this.#source.ask(kid, received) === "asked") return null;
      return this.#refuse(outer, Code.Unauthorized, "Security context not found");
    }
    const inner = this.#verify(outer, row, partialIv);
    return inner === null ? null : this.#admit(outer, row, partialIv, inner);
  }

  /** Steps 2 and 3. */
  #verify(outer: CoapRequest, row: number, partialIv: Buffer): Buffer | null {
    const keys = this.#keys;
    if (keys.isVerified(row) && !keys.isNew(row, decodePartialIv(partialIv))) {
      this.#metrics.coapIgnored("replay");
      return null;
    }
    const kid = keys.senderIdOf(row);
    const plaintext = open(
      {
        key: keys.deviceKeyOf(row),
        commonIv: keys.commonIvOf(row),
        nonceId: kid,
        noncePartialIv: partialIv,
        requestKid: kid,
        requestPartialIv: partialIv,
      },
      outer.payload,
    );
    if (plaintext !== null) return plaintext;
    keys.forgetIfStale(row, this.#clock.monotonicMs());
    return this.#refuse(outer, Code.BadRequest, "Decryption failed");
  }

  /** Step 4, and what is inside. */
  #admit(
    outer: CoapRequest,
    keyRow: number,
    partialIv: Buffer,
    plaintext: Buffer,
  ): DeviceRequest | null {
    const keys = this.#keys;
    const nowMs = this.#clock.monotonicMs();
    const sequence = decodePartialIv(partialIv);
    const decoded = decodeInner(plaintext);
    const inner: InnerMessage = "fault" in decoded ? UNREADABLE : decoded;
    const checked = checkOptions(inner.options, KNOWN_OPTIONS);
    const options = "badOption" in checked ? [] : checked.options;
    const echoSubject = keys.challengeOf(keyRow);
    const echo = optionValue(options, OptionNumber.Echo);
    const isVerified = echo !== null && this.#echo.isFresh(echo, outer.source, echoSubject);
    const facts = { outer, keyRow, partialIv, inner, options, echoSubject, isVerified };
    const request = new OscoreRequest({ ...facts, nameOf: this.#nameOf });
    if (keys.isVerified(keyRow)) keys.accept(keyRow, sequence, nowMs);
    else if (isVerified) keys.verify(keyRow, sequence, nowMs);
    else {
      this.#writer.challenge(request);
      return null;
    }
    if ("badOption" in checked) return this.#reject(request, Code.BadOption);
    if (codeClass(inner.code) !== 0 || inner.code === Code.Empty) {
      return this.#reject(request, Code.BadRequest);
    }
    return request;
  }

  #reject(request: DeviceRequest, code: number): null {
    this.#writer.reply(request, plainReply(code));
    return null;
  }

  #refuse(outer: CoapRequest, code: number, words = ""): null {
    this.#writer.refuse(outer, code, words);
    return null;
  }
}

/** What stands for something that has no options to read: it is no request. */
const UNREADABLE: InnerMessage = { code: Code.Empty, options: [], payload: NO_BYTES };

function outerRequest({ message, source, receivedBytes }: ReceivedRequest): CoapRequest {
  return { ...message, source, receivedBytes, keyRow: -1, partialIv: NO_BYTES };
}

/**
 * §8.2, step 1: what belongs inside is passed over outside. Not that by which a proxy would have
 * been asked, or would have cut the message in blocks: there is none.
 */
function outerFault(options: readonly DecodedOption[]): number | null {
  for (const { number } of options) {
    if (number === OptionNumber.ProxyUri || number === OptionNumber.ProxyScheme) {
      return Code.ProxyingNotSupported;
    }
    const isBlock = number === OptionNumber.Block1 || number === OptionNumber.Block2;
    const isUnknown = isCritical(number) && !OPTION_RULES.has(number);
    if (isBlock || isUnknown) return Code.BadOption;
  }
  return null;
}
