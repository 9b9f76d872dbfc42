// SPDX-License-Identifier: Apache-2.0
/** A connection of framed TCP without a socket: frames in, frames out. */
import { isFault } from "../../../../protocol/codec.ts";
import { FrameDecoder } from "../../../../protocol/framed/frame-decoder.ts";
import {
  deviceFrames,
  encodeFrame,
  gatewayFrames,
  NO_DEVICE_FRAME,
} from "../../../../protocol/framed/frames.ts";
import type {
  ChannelMessage,
  DeviceFrame,
  GatewayFrame,
} from "../../../../protocol/gen/muster/v1/framed_codec.ts";
import type { PeerFacts } from "../../../peer-certificate.ts";
import { ListenerBench } from "../../testing/listener-bench.ts";
import { FramedConnection } from "../framed-connection.ts";

const PUMP: PeerFacts = {
  identity: { role: "device", tenant: "default", device: "pump-1" },
  serial: "0a",
};

export class FramedBench extends ListenerBench {
  readonly #decoder = new FrameDecoder({ frames: gatewayFrames() });
  readonly #frames = deviceFrames();

  /** A connection that has taken a place, its device not yet heard of. */
  open(peer: PeerFacts | null = PUMP): FramedConnection {
    const connection = new FramedConnection({ context: this.context, transport: this, peer });
    connection.begin();
    return connection;
  }

  /** A frame as it comes over the wire. */
  bytes(kind: Partial<DeviceFrame>): Buffer {
    return encodeFrame(this.#frames, { ...NO_DEVICE_FRAME, ...kind });
  }

  /** Sends one frame; returns what the gateway has written since the last look. */
  send(connection: FramedConnection, kind: Partial<DeviceFrame>): Partial<GatewayFrame>[] {
    const bytes = this.bytes(kind);
    connection.receive(bytes);
    bytes.fill(0); // As a socket does, which uses its memory again.
    return this.frames();
  }

  /** Of each frame the one kind that it has. */
  frames(): Partial<GatewayFrame>[] {
    this.#decoder.push(Buffer.concat(this.written.splice(0)));
    const frames: Partial<GatewayFrame>[] = [];
    for (let frame = this.#decoder.next(); frame !== null; frame = this.#decoder.next()) {
      if (isFault(frame)) throw new Error(`the gateway writes what is no frame: ${frame.reason}`);
      const kinds = Object.entries(frame).filter(([, value]) => value !== undefined);
      frames.push(Object.fromEntries(kinds));
    }
    return frames;
  }
}

export function message(id: number, text = "{}"): ChannelMessage {
  return { id, payload: Buffer.from(text) };
}
