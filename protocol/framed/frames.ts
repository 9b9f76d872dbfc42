// SPDX-License-Identifier: Apache-2.0
/** What is said over framed TCP (`muster/v1/framed.proto`), as bytes with their length in front. */
import type { Codec } from "../codec.ts";
import {
  readDeviceFrame,
  readGatewayFrame,
  writeDeviceFrame,
  writeGatewayFrame,
  type DeviceFrame,
  type GatewayFrame,
} from "../gen/muster/v1/framed_codec.ts";
import { protobufCodec } from "../protobuf/protobuf-codec.ts";
import { LENGTH_BYTES } from "./frame-decoder.ts";

/** Largest id of a message; it is answered under it. */
export const MESSAGE_ID_MAX = 0xffff;

/** A frame of no kind: to it the one kind is added that a frame has. */
export const NO_DEVICE_FRAME: DeviceFrame = {
  hello: undefined,
  heartbeat: undefined,
  report: undefined,
  log: undefined,
  acknowledgement: undefined,
  ping: undefined,
  pong: undefined,
  goodbye: undefined,
};

export const NO_GATEWAY_FRAME: GatewayFrame = {
  offer: undefined,
  config: undefined,
  command: undefined,
  terms: undefined,
  acknowledgement: undefined,
  ping: undefined,
  pong: undefined,
  goodbye: undefined,
};

/** A codec of its own for everyone who asks: it is used by one caller at a time. */
export function deviceFrames(): Codec<DeviceFrame> {
  return protobufCodec({ read: readDeviceFrame, write: writeDeviceFrame });
}

/** As `deviceFrames`. */
export function gatewayFrames(): Codec<GatewayFrame> {
  return protobufCodec({ read: readGatewayFrame, write: writeGatewayFrame });
}

/** The frame as it goes over the wire. */
export function encodeFrame<Message>(frames: Codec<Message>, message: Message): Buffer {
  const body = frames.encode(message);
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.set(body, LENGTH_BYTES);
  return bytes;
}
