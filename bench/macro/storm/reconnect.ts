// SPDX-License-Identifier: Apache-2.0
/**
 * A network comes back: all devices but some, which the gateway knows to be gone, connect at one
 * moment. Those that stayed must hardly notice.
 */
import { quiet } from "../gateway/measure.ts";
import type { LoadAnswer } from "../gateway/load.ts";
import { CALM_MS, COMING, figuresOfStaying, STAYING, STAYING_BEAT_MS } from "./staying.ts";
import { CONNECTS_AT_ONCE, Storm, type Figures, type StormOptions } from "./storm.ts";

const HEARTBEAT_MS = 5_000;
/** At most; it is over when all are back. */
const STORM_MS = 60_000;

export async function reconnectStorm(options: StormOptions): Promise<Figures> {
  const [comingCount, stayingCount] = [COMING * options.scale, STAYING * options.scale];
  const calmMs = CALM_MS * options.timeScale;
  await using storm = await Storm.begin(options, comingCount + stayingCount);
  const coming = await storm.devices(comingCount, true);
  const staying = await storm.devices(stayingCount);
  for (const load of [coming, staying]) await load.say(`connect ${CONNECTS_AT_ONCE}`);
  await storm.gateway.settled();
  const beat = (durationMs: number): string => `beat heartbeat ${STAYING_BEAT_MS} ${durationMs}`;
  const all = (): Promise<[LoadAnswer, LoadAnswer]> =>
    Promise.all([
      staying.say(beat(calmMs)),
      coming.say(`beat heartbeat ${HEARTBEAT_MS} ${calmMs}`),
    ]);
  await all();
  const [calm] = await all();
  await coming.say("disconnect");
  await quiet(storm.gateway);
  const stays = staying.say(beat(STORM_MS));
  const comes = coming.say(`storm heartbeat ${HEARTBEAT_MS} ${STORM_MS}`);
  const both = Promise.all([stays, comes.finally(() => staying.finish())]);
  const { result, mostBytes, cores } = await storm.measured(both);
  const [stayed, came] = result;
  return {
    "99 % back after": [came.back99Ms / 1_000, "s"],
    "all back after": [came.backAllMs / 1_000, "s"],
    ...figuresOfStaying(calm, stayed),
    "gateway RSS at most": [mostBytes, "bytes"],
    "gateway CPU": [cores, "cores"],
  };
}
