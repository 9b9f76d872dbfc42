// SPDX-License-Identifier: Apache-2.0
/**
 * A network comes back, over mutual TLS: all devices connect at one moment, each with the ticket of
 * the session that it had. Others, on the plain listener, stayed.
 */
import { constants, setPriority } from "node:os";
import { Backoff } from "../../../agent/link/backoff.ts";
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { quiet } from "../gateway/measure.ts";
import { makeDevices, type BenchDevice } from "../tls/bench-devices.ts";
import { closeAll, connectAll, connectOne, type Connected } from "../tls/tls-devices.ts";
import { CALM_MS, COMING, figuresOfStaying, STAYING, STAYING_BEAT_MS } from "./staying.ts";
import { CONNECTS_AT_ONCE, Storm, type Figures, type StormOptions } from "./storm.ts";

/** At most; it is over when all are back. */
const STORM_MS = 300_000;
/** Handshakes at once, before the storm. */
const WINDOW = 32;

export async function resumedStorm(options: StormOptions): Promise<Figures> {
  const { folder, scale, timeScale } = options;
  const [comingCount, stayingCount] = [COMING * scale, STAYING * scale];
  await using storm = await Storm.begin(options, comingCount + stayingCount);
  const devices = await makeDevices(folder, comingCount);
  storm.reserve(comingCount);
  const staying = await storm.devices(stayingCount);
  await staying.say(`connect ${CONNECTS_AT_ONCE}`);
  const { tlsPort } = storm.gateway;
  const first = await connectAll(tlsPort, devices, [], WINDOW);
  const beat = (durationMs: number): string => `beat heartbeat ${STAYING_BEAT_MS} ${durationMs}`;
  await staying.say(beat(CALM_MS * timeScale));
  const calm = await staying.say(beat(CALM_MS * timeScale));
  await closeAll(first);
  await quiet(storm.gateway);
  const stays = staying.say(beat(STORM_MS));
  const comes = comeBack(tlsPort, devices, first).finally(() => staying.finish());
  const { result, mostBytes, cores } = await storm.measured(Promise.all([stays, comes]));
  const [stayed, came] = result;
  const timesMs = came.map(({ afterMs }) => afterMs).toSorted((one, other) => one - other);
  const resumedCount = came.filter(({ connected }) => connected.socket.isSessionReused()).length;
  await closeAll(came.map(({ connected }) => connected));
  return {
    "99 % back after": [(timesMs[Math.ceil(comingCount * 0.99) - 1] ?? NaN) / 1_000, "s"],
    "all back after": [(timesMs.at(-1) ?? NaN) / 1_000, "s"],
    "handshakes resumed": [resumedCount / comingCount, "of 1"],
    ...figuresOfStaying(calm, stayed),
    "gateway RSS at most": [mostBytes, "bytes"],
    "gateway CPU": [cores, "cores"],
  };
}

interface Back {
  readonly connected: Connected;
  readonly afterMs: number;
}

/** All at once. From now on this process gives way to the gateway and to who measures. */
async function comeBack(
  port: number,
  devices: readonly BenchDevice[],
  before: readonly Connected[],
): Promise<readonly Back[]> {
  setPriority(constants.priority.PRIORITY_LOW);
  const startMs = systemClock.monotonicMs();
  const comes = devices.map(async (device, index) => {
    const connected = await persist(() => connectOne(port, device, before[index]?.session));
    return { connected, afterMs: systemClock.monotonicMs() - startMs };
  });
  return await Promise.all(comes);
}

/** Tries as our agent does. */
async function persist(connect: () => Promise<Connected>): Promise<Connected> {
  const backoff = new Backoff({ random: systemRandom });
  for (;;) {
    try {
      return await connect();
    } catch {
      await delay(systemClock, backoff.fail().delayMs, new AbortController().signal);
    }
  }
}
