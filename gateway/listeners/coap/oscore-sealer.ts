// SPDX-License-Identifier: Apache-2.0
/**
 * Answers and notifications under OSCORE (RFC 8613 §8.3). Each has a number of the gateway's own,
 * also where the request's could be used again (§5.2): a device may have been answered by another
 * gateway under that number, and one key must not protect two messages alike.
 */
import { Code } from "../../../protocol/coap/codes.ts";
import { encodeMessage } from "../../../protocol/coap/encoder.ts";
import { seal } from "../../../protocol/coap/oscore/aead.ts";
import { encodeInner } from "../../../protocol/coap/oscore/inner-message.ts";
import {
  encodeOscoreOption,
  encodePartialIv,
} from "../../../protocol/coap/oscore/oscore-option.ts";
import { OptionNumber } from "../../../protocol/coap/options.ts";
import type { Answered, CoapReply } from "./coap-request.ts";
import type { KeyTable } from "./key-table.ts";
import type { MessageHeader, Sealer } from "./sealer.ts";

/** The gateway's Sender ID: the only one that no device can have, and the shortest. */
export const GATEWAY_ID: Buffer = Buffer.alloc(0);
/** When this many numbers are left, the next ones are asked for. */
export const FEW_NUMBERS = 8_192;

const NO_BYTES = Buffer.alloc(0);

export interface OscoreSealerOptions {
  readonly keys: KeyTable;
  /** The numbers of the row come to their end. Called with each message until there are more. */
  readonly onFewNumbers: (row: number) => void;
}

export class OscoreSealer implements Sealer {
  readonly #keys: KeyTable;
  readonly #onFewNumbers: (row: number) => void;

  constructor(options: OscoreSealerOptions) {
    this.#keys = options.keys;
    this.#onFewNumbers = options.onFewNumbers;
  }

  seal(answered: Answered, reply: CoapReply, header: MessageHeader): Buffer | null {
    const { keyRow: row, partialIv: requestPartialIv, token } = answered;
    const keys = this.#keys;
    if (keys.numbersLeft(row) < FEW_NUMBERS) this.#onFewNumbers(row);
    const number = keys.takeNumber(row);
    if (number === -1) return null;
    const partialIv = encodePartialIv(number);
    const observe = reply.options.find((option) => option.number === OptionNumber.Observe);
    const payload = seal(
      {
        key: keys.gatewayKeyOf(row),
        commonIv: keys.commonIvOf(row),
        nonceId: GATEWAY_ID,
        noncePartialIv: partialIv,
        requestKid: keys.senderIdOf(row),
        requestPartialIv,
      },
      encodeInner(
        reply.code,
        observe === undefined ? reply.options : emptied(reply),
        reply.payload,
      ),
    );
    const oscore = {
      number: OptionNumber.Oscore,
      value: encodeOscoreOption({ partialIv, kid: null, kidContext: null }),
    };
    return encodeMessage({
      ...header,
      token,
      // §4.1.3.5: an answer with Observe is 2.05 outside, any other 2.04 (§4.2).
      code: observe === undefined ? Code.Changed : Code.Content,
      options: observe === undefined ? [oscore] : [observe, oscore],
      payload,
    });
  }
}

/** §4.1.3.5.2: inside, Observe is empty; the order is that of the numbers. */
function emptied({ options }: CoapReply): CoapReply["options"] {
  return options.map((option) =>
    option.number === OptionNumber.Observe ? { ...option, value: NO_BYTES } : option,
  );
}
