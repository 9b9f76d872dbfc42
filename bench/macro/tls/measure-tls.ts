// SPDX-License-Identifier: Apache-2.0
/** One run of one server: full handshakes, connections that stay, resumed handshakes. */
import assert from "node:assert/strict";
import { quiet } from "../gateway/measure.ts";
import type { BenchDevice } from "./bench-devices.ts";
import { closeAll, connectAll } from "./tls-devices.ts";
import type { TlsServer } from "./tls-servers.ts";

/** Handshakes at once: enough to keep a server busy, few enough for its limits. */
const WINDOW = 32;

/** What is measured, and its unit. */
export const METRICS = {
  "CPU of a full handshake": "µs",
  "CPU of a resumed handshake": "µs",
  "idle RSS a connection": "bytes",
} as const;

export type TlsResult = { readonly [metric in keyof typeof METRICS]: number };

export async function measureTls(
  server: TlsServer,
  devices: readonly BenchDevice[],
): Promise<TlsResult> {
  const base = await quiet(server);
  const first = await connectAll(server.port, devices, [], WINDOW);
  const connected = await quiet(server);
  await closeAll(first);
  const closed = await quiet(server);
  const sessions = first.map(({ session }) => session);
  const second = await connectAll(server.port, devices, sessions, WINDOW);
  const resumed = await quiet(server);
  assert(second.every(({ socket }) => socket.isSessionReused()));
  await closeAll(second);
  const each = (total: number): number => total / devices.length;
  return {
    "CPU of a full handshake": each(connected.cpuSeconds - base.cpuSeconds) * 1e6,
    "CPU of a resumed handshake": each(resumed.cpuSeconds - closed.cpuSeconds) * 1e6,
    "idle RSS a connection": each(connected.rssBytes - base.rssBytes),
  };
}
