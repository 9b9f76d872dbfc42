// SPDX-License-Identifier: Apache-2.0
/**
 * A tenth of the devices stop reading, their connections open, while commands go to everybody. The
 * others get theirs as soon as ever.
 */
import type { Load } from "../gateway/load.ts";
import { quiet } from "../gateway/measure.ts";
import { CONNECTS_AT_ONCE, servedShare, Storm, type Figures, type StormOptions } from "./storm.ts";

const DEVICES = 10_000;
const SLOW_SHARE = 0.1;
/** Commands to everybody: a gateway holds 50,000 that no device has answered, and none does. */
const WARM_UP_PUSHES = 1;
const PUSHES = 2;
const HEARTBEAT_MS = 5_000;
const CALM_MS = 10_000;
const PUSH_TIMEOUT_MS = 20_000;

export async function slowReadersStorm(options: StormOptions): Promise<Figures> {
  const { scale, timeScale } = options;
  const slowCount = DEVICES * SLOW_SHARE * scale;
  const readingCount = DEVICES * scale - slowCount;
  await using storm = await Storm.begin(options, readingCount + slowCount);
  const reading = await storm.devices(readingCount);
  const slow = await storm.devices(slowCount);
  for (const load of [reading, slow]) {
    await load.say(`connect ${CONNECTS_AT_ONCE}`);
    await load.say(`subscribe ${CONNECTS_AT_ONCE}`);
  }
  await storm.gateway.settled();
  const beat = (load: Load) => load.say(`beat heartbeat ${HEARTBEAT_MS} ${CALM_MS * timeScale}`);
  await pushes(storm, reading, readingCount, WARM_UP_PUSHES);
  const calmMs = await pushes(storm, reading, readingCount, PUSHES);
  await beat(reading);
  const calm = await storm.measured(beat(reading));
  slow.pause();
  const stormy = await storm.measured(pushes(storm, reading, readingCount, PUSHES));
  const beats = await beat(reading);
  return {
    "a command to the last who reads, in calm": [calmMs, "ms"],
    "a command to the last who reads, in the storm": [stormy.result, "ms"],
    "a command to the last who reads, times that in calm": [stormy.result / calmMs, "×"],
    "who reads, p99 in calm": [calm.result.p99Ms, "ms"],
    "who reads, p99 in the storm": [beats.p99Ms, "ms"],
    "who reads, share of heartbeats served": [servedShare(beats), "of 1"],
    "who reads, connections lost": [beats.closed, "devices"],
    "gateway RSS in calm": [calm.mostBytes, "bytes"],
    "gateway RSS at most": [stormy.mostBytes, "bytes"],
  };
}

/** Until the last of `count` devices has each of so many commands, ms: the slowest. */
async function pushes(storm: Storm, load: Load, count: number, times: number): Promise<number> {
  const { gateway } = storm;
  if (gateway.push === null) throw new Error("nobody can push");
  const allMs: number[] = [];
  for (let time = 0; time < times; time += 1) {
    const awaiting = load.say(`await ${count} ${PUSH_TIMEOUT_MS}`);
    const startNs = await gateway.push();
    const { lastNs, received } = await awaiting;
    if (received !== count) throw new Error(`a command reached ${received} of ${count} devices`);
    allMs.push(Number(lastNs - startNs) / 1e6);
    await quiet(gateway);
  }
  return Math.max(...allMs);
}
