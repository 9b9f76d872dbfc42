// SPDX-License-Identifier: Apache-2.0
/** One frame of each kind that a device sends, with its length, to be damaged. */
import { deviceFrames, encodeFrame, NO_DEVICE_FRAME } from "../frames.ts";

const frames = deviceFrames();
const payload: Buffer = Buffer.from('{"sequence":1,"slots":{}}');

export const SAMPLE_FRAMES: readonly Buffer[] = [
  { hello: { id: 1, payload } },
  { heartbeat: { id: 0, payload } },
  { report: { id: 300, payload } },
  { log: { id: 0, payload: Buffer.alloc(200, 0x61) } },
  { acknowledgement: { id: 65_535, refusal: "" } },
  { ping: { number: 7 } },
  { pong: { number: 0 } },
  { goodbye: { reason: 0, detail: "until later", server: "" } },
].map((kind) => encodeFrame(frames, { ...NO_DEVICE_FRAME, ...kind }));
