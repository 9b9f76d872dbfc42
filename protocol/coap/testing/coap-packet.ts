// SPDX-License-Identifier: Apache-2.0
/** Our messages in the shapes of the library `coap-packet`, the peer of the differential test. */
import { generate, parse, type ParsedPacket } from "coap-packet";
import { codeText, MessageType } from "../codes.ts";
import type { CoapMessage } from "../message.ts";
import { hex, type PlainMessage } from "./messages.ts";

/** Where the peer names an option, which it does for those that it knows. */
const NUMBERS: ReadonlyMap<string, number> = new Map([
  ["If-Match", 1],
  ["Uri-Host", 3],
  ["ETag", 4],
  ["If-None-Match", 5],
  ["Observe", 6],
  ["Uri-Port", 7],
  ["Location-Path", 8],
  ["OSCORE", 9],
  ["Uri-Path", 11],
  ["Content-Format", 12],
  ["Max-Age", 14],
  ["Uri-Query", 15],
  ["Hop-Limit", 16],
  ["Accept", 17],
  ["Q-Block1", 19],
  ["Location-Query", 20],
  ["Block2", 23],
  ["Block1", 27],
  ["Size2", 28],
  ["Q-Block2", 31],
  ["Proxy-Uri", 35],
  ["Proxy-Scheme", 39],
  ["Size1", 60],
  ["No-Response", 258],
  ["OCF-Accept-Content-Format-Version", 2_049],
  ["OCF-Content-Format-Version", 2_053],
]);

/** What the peer makes of a datagram; null: it objects. */
export function peerParse(datagram: Buffer): PlainMessage | null {
  try {
    return plainOf(parse(datagram));
  } catch {
    return null; // Also where it reads beyond the end.
  }
}

export function peerGenerate(message: CoapMessage): Buffer {
  const { type, code, messageId, token, options, payload } = message;
  return generate(
    {
      confirmable: type === MessageType.Confirmable,
      ack: type === MessageType.Acknowledgement,
      reset: type === MessageType.Reset,
      code: codeText(code),
      messageId,
      token: Buffer.from(token),
      options: options.map(({ number, value }) => ({
        name: String(number),
        value: Buffer.from(value),
      })),
      payload: Buffer.from(payload),
    },
    65_535,
  );
}

function plainOf(packet: ParsedPacket): PlainMessage {
  const { confirmable, ack, reset, code, messageId, token, options, payload } = packet;
  const [codeClass = "", detail = ""] = code.split(".");
  return {
    type: confirmable
      ? MessageType.Confirmable
      : ack
        ? MessageType.Acknowledgement
        : reset
          ? MessageType.Reset
          : MessageType.NonConfirmable,
    code: Number(codeClass) * 32 + Number(detail),
    messageId,
    token: hex(token),
    options: options.map(({ name, value }) => [NUMBERS.get(`${name}`) ?? Number(name), hex(value)]),
    payload: hex(payload),
  };
}
