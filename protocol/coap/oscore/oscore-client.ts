// SPDX-License-Identifier: Apache-2.0
/**
 * The client's side of OSCORE (RFC 8613 §8.1, §8.4): requests protected, answers verified. For
 * devices that Muster pretends, and for tests; a gateway's side is in its listener, on columns.
 */
import { Code } from "../codes.ts";
import type { CoapMessage, CoapOption, DecodedMessage } from "../message.ts";
import { optionValue } from "../option-values.ts";
import { OptionNumber } from "../options.ts";
import { open, seal } from "./aead.ts";
import { decodeInner, encodeInner, type InnerMessage } from "./inner-message.ts";
import { deriveKeys, type ContextInput, type ContextKeys } from "./key-derivation.ts";
import { decodeOscoreOption, encodeOscoreOption, encodePartialIv } from "./oscore-option.ts";

/** Options that stay outside (§4.1.2): whoever is on the way needs them. */
const OUTER: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
]);

export interface ProtectedRequest {
  readonly message: CoapMessage;
  /** For its answers. */
  readonly partialIv: Buffer;
}

export class OscoreClient {
  readonly #input: ContextInput;
  readonly #keys: ContextKeys;
  /** Of the next request. */
  sequence: number;

  constructor(input: ContextInput, sequence = 0) {
    this.#input = input;
    this.#keys = deriveKeys(input);
    this.sequence = sequence;
  }

  protect(request: CoapMessage): ProtectedRequest {
    const { senderId: kid, idContext: kidContext } = this.#input;
    const partialIv = encodePartialIv(this.sequence);
    this.sequence += 1;
    const inner = request.options.filter(({ number }) => !OUTER.has(number));
    const outer = request.options.filter(({ number }) => OUTER.has(number));
    const observe = inner.filter(({ number }) => number === OptionNumber.Observe);
    const header = { partialIv, kid: Buffer.from(kid), kidContext: bufferOf(kidContext) };
    const oscore = { number: OptionNumber.Oscore, value: encodeOscoreOption(header) };
    const { commonIv, senderKey: key } = this.#keys;
    const payload = seal(
      {
        key,
        commonIv,
        nonceId: kid,
        noncePartialIv: partialIv,
        requestKid: kid,
        requestPartialIv: partialIv,
      },
      encodeInner(request.code, inner, request.payload),
    );
    const options = inOrder([...outer, ...observe, oscore]);
    const code = observe.length > 0 ? Code.Fetch : Code.Post;
    return { message: { ...request, code, options, payload }, partialIv };
  }

  /** The answer inside; null when it is not for this request, or not from the other side. */
  unprotect(response: DecodedMessage, requestPartialIv: Buffer): InnerMessage | null {
    const option = optionValue(response.options, OptionNumber.Oscore);
    const header = option === null ? null : decodeOscoreOption(option);
    if (header === null) return null;
    const { senderId, recipientId } = this.#input;
    const isOwnNumber = header.partialIv !== null;
    const { commonIv, recipientKey: key } = this.#keys;
    const plaintext = open(
      {
        key,
        commonIv,
        nonceId: isOwnNumber ? recipientId : senderId,
        noncePartialIv: header.partialIv ?? requestPartialIv,
        requestKid: senderId,
        requestPartialIv,
      },
      response.payload,
    );
    const inner = plaintext === null ? null : decodeInner(plaintext);
    return inner === null || "fault" in inner ? null : inner;
  }
}

function inOrder(options: readonly CoapOption[]): CoapOption[] {
  return options.toSorted((left, right) => left.number - right.number);
}

function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
