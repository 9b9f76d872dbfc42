// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench stop [-- --quick]`: how long `rollout stop` takes from the command until the last
 * gateway withholds the rollout and until the last device has acknowledged that its offer is
 * withdrawn; with 1,000 connected devices that all have an offer in hand, two gateways, each role a
 * process of its own. Medians and the worst of five stops (`--quick`: two stops of 200 devices).
 *
 * The floor is a bare round trip over as many loopback connections of one process, without TLS,
 * MQTT or a disk.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import { printFigure } from "../bench-line.ts";
import { measureLoopback } from "./stop/loopback.ts";
import { measureStop, type MeasuredStop } from "./stop/measure-stop.ts";

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const deviceCount = values.quick ? 200 : 1_000;
const rounds = values.quick ? 2 : 5;
const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
const folder = await mkdtemp(join(tmpdir(), "muster-bench-stop-"));
try {
  const shell = {
    clock: systemClock,
    random: systemRandom,
    interrupt: { signal: interrupted.signal, drain: () => undefined },
    stderr: process.stderr,
  };
  const stops = await measureStop({ deviceCount, rounds, folder, shell });
  print(stops, await measureLoopback(deviceCount));
} finally {
  await rm(folder, { recursive: true, force: true });
}

function print(stops: readonly MeasuredStop[], floorMs: number): void {
  const common = { bench: "stop", case: `${deviceCount} devices with an offer, 2 gateways` };
  const peer = "loopback round trip";
  printFigure({ ...common, metric: peer, value: floorMs, unit: "ms" });
  const times = {
    answer: (stop: MeasuredStop) => stop.answerMs,
    "last gateway": (stop: MeasuredStop) => stop.gatewaysMs ?? NaN,
    "last device": (stop: MeasuredStop) => stop.devicesMs ?? NaN,
  };
  for (const [metric, timeOf] of Object.entries(times)) {
    const sorted = stops.map(timeOf).toSorted((one, other) => one - other);
    const value = sorted[Math.floor(sorted.length / 2)] ?? NaN;
    printFigure({ ...common, metric, value, unit: "ms", peer, ratio: value / floorMs });
    const worst = sorted.at(-1) ?? NaN;
    printFigure({ ...common, metric: `${metric}, worst`, value: worst, unit: "ms" });
  }
  const sum = (count: (stop: MeasuredStop) => number): number =>
    stops.reduce((total, stop) => total + count(stop), 0);
  const counts = {
    "devices informed": sum((stop) => stop.devicesInformed),
    "devices with an offer": sum((stop) => stop.devices),
    "accepted after the withdrawal": sum((stop) => stop.journal.acceptedLate),
  };
  for (const [metric, value] of Object.entries(counts)) {
    printFigure({ ...common, metric, value, unit: "devices" });
  }
}
