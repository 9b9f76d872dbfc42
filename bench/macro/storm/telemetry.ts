// SPDX-License-Identifier: Apache-2.0
/**
 * Ten times the telemetry: every device sends ten lines a second instead of one, and its heartbeats
 * with them; other devices report meanwhile. Heartbeats and reports are served, telemetry as it
 * goes.
 */
import { CONNECTS_AT_ONCE, servedShare, Storm, type Figures, type StormOptions } from "./storm.ts";

const DEVICES = 9_000;
const REPORTING = 1_000;
const LINES_A_SECOND = 1;
const OVERLOAD = 10;
const HEARTBEAT_MS = 5_000;
const REPORT_MS = 1_000;
const CALM_MS = 10_000;
const STORM_MS = 60_000;
/** When everything must be as before. */
const AFTER_MS = 10_000;

export async function telemetryStorm(options: StormOptions): Promise<Figures> {
  const { scale, timeScale } = options;
  const calmMs = CALM_MS * timeScale;
  const [deviceCount, reportingCount] = [DEVICES * scale, REPORTING * scale];
  const linesASecond = deviceCount * LINES_A_SECOND;
  await using storm = await Storm.begin(options, deviceCount + reportingCount);
  const devices = await storm.devices(deviceCount);
  const reporting = await storm.devices(reportingCount);
  for (const load of [devices, reporting]) await load.say(`connect ${CONNECTS_AT_ONCE}`);
  await storm.gateway.settled();
  const load = (durationMs: number, rate: number) =>
    storm.measured(
      Promise.all([
        devices.say(`flood heartbeat ${HEARTBEAT_MS} ${durationMs} ${rate}`),
        reporting.say(`beat report ${REPORT_MS} ${durationMs}`),
      ]),
    );
  await load(calmMs, linesASecond);
  const calm = await load(calmMs, linesASecond);
  const stormy = await load(STORM_MS * timeScale, linesASecond * OVERLOAD);
  await load(AFTER_MS * timeScale, linesASecond);
  const after = await load(AFTER_MS * timeScale, linesASecond);
  const [heartbeats, reports] = stormy.result;
  const p99 = ({ result: [beats, sent] }: typeof calm) => [beats.p99Ms, sent.p99Ms] as const;
  return {
    "lines sent": [heartbeats.flooded / heartbeats.seconds, "1/s"],
    "share of heartbeats served": [servedShare(heartbeats), "of 1"],
    "share of reports served": [servedShare(reports), "of 1"],
    "heartbeats, p99 in calm": [p99(calm)[0], "ms"],
    "heartbeats, p99 in the storm": [p99(stormy)[0], "ms"],
    "heartbeats, p99 10 s after": [p99(after)[0], "ms"],
    "reports, p99 in calm": [p99(calm)[1], "ms"],
    "reports, p99 in the storm": [p99(stormy)[1], "ms"],
    "reports, p99 10 s after": [p99(after)[1], "ms"],
    "connections lost": [heartbeats.closed + reports.closed, "devices"],
    "gateway RSS in calm": [calm.mostBytes, "bytes"],
    "gateway RSS at most": [stormy.mostBytes, "bytes"],
    "gateway CPU": [stormy.cores, "cores"],
  };
}
