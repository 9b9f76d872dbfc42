// SPDX-License-Identifier: Apache-2.0
/** The CSV of devices with OSCORE keys: what the operator imports, and what the load reads. */
import { createHmac, randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const LINES_AT_ONCE = 1_000;

/** The id of the device in this line, from 0 on. */
export function deviceId(index: number): string {
  return `meter-${String(index).padStart(7, "0")}`;
}

export async function writeDeviceFile(path: string, deviceCount: number): Promise<void> {
  await pipeline(Readable.from(linesOf(deviceCount)), createWriteStream(path, { mode: 0o600 }));
}

function* linesOf(deviceCount: number): Generator<string> {
  yield "id,region,oscoreSenderId,oscoreSecret\n";
  const seed = randomBytes(32);
  for (let first = 0; first < deviceCount; first += LINES_AT_ONCE) {
    const count = Math.min(LINES_AT_ONCE, deviceCount - first);
    yield Array.from({ length: count }, (_, offset) => lineOf(first + offset, seed)).join("");
  }
}

function lineOf(index: number, seed: Buffer): string {
  const senderId = Buffer.alloc(4);
  senderId.writeUInt32BE(index + 1);
  const secret = createHmac("sha256", seed).update(senderId).digest("hex").slice(0, 32);
  return `${deviceId(index)},local,${senderId.toString("hex")},${secret}\n`;
}
