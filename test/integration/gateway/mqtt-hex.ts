// SPDX-License-Identifier: Apache-2.0
/** MQTT written by hand, in hex, for tests of the bytes on the wire. */
import { connect } from "node:net";

export const hex = (text: string): string => Buffer.from(text).toString("hex");
export const string = (text: string): string =>
  text.length.toString(16).padStart(4, "0") + hex(text);
/** A packet of the body in hex; bodies here are below 128 bytes. */
export const packet = (first: string, body: string): string =>
  first + (body.length / 2).toString(16).padStart(2, "0") + body;

export const connect5 = (flags: string, rest: string, properties = "00"): string =>
  packet("10", `00044d51545405${flags}000a${properties}${rest}`);
export const connect4 = (flags: string, rest: string): string =>
  packet("10", `00044d51545404${flags}000a${rest}`);

/** Everything the gateway says until it closes, or until it has said `untilHex`. */
export async function exchange(
  port: number,
  sentHex: string,
  untilHex: string | null,
): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(Buffer.from(sentHex, "hex"));
  let said = "";
  try {
    for await (const chunk of socket) {
      said += (chunk as Buffer).toString("hex");
      if (untilHex !== null && said.length >= untilHex.length) break;
    }
  } finally {
    socket.destroy();
  }
  return said;
}
