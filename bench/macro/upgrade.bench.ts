// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench upgrade [-- --quick | --devices N --workers N]`: a gateway under load, whose
 * workers are all replaced (SIGHUP): 5,000 devices over mutual TLS that get commands and a release
 * and report, 500 on the plain listener that send a heartbeat a second and 1,000 lines of telemetry
 * together. Counted is what must not be: acknowledged reports that are not in the center's
 * EventLog, offers and commands that did not reach their device or were done twice, devices that
 * are not back. The bench fails when there is one.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import { printFigure } from "../bench-line.ts";
import { buildMuster } from "./gateway/tools.ts";
import { runUpgrade } from "./upgrade/run-upgrade.ts";
import { brokenPromises, upgradeFigures } from "./upgrade/upgrade-figures.ts";

const STORIES_MAX = 20;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    devices: { type: "string" },
    workers: { type: "string", default: "3" },
  },
});
const deviceCount = Number(values.devices ?? (values.quick ? 500 : 5_000));
const workers = Number(values.workers);
const plainCount = Math.ceil(deviceCount / 10);
const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
const folder = await mkdtemp(join(tmpdir(), "muster-bench-upgrade-"));
try {
  const sizes = { deviceCount, plainCount, workers, groupCount: 10 };
  const result = await runUpgrade({
    ...sizes,
    folder,
    program: await buildMuster(join(folder, "published")),
    calmMs: values.quick ? 3_000 : 10_000,
    say: (text) => console.error(text),
    shell: {
      clock: systemClock,
      random: systemRandom,
      interrupt: { signal: interrupted.signal, drain: () => undefined },
      stderr: process.stderr,
    },
  });
  const base = `${deviceCount.toLocaleString("en-US")} devices, ${workers} workers replaced`;
  for (const [metric, [value, unit]] of Object.entries(upgradeFigures(result))) {
    printFigure({ bench: "upgrade", case: base, metric, value, unit });
  }
  const broken = brokenPromises(result, sizes);
  printFigure({
    bench: "upgrade",
    case: base,
    metric: "promises broken",
    value: broken.length,
    unit: "promises",
  });
  for (const story of broken.slice(0, STORIES_MAX)) console.error(`FAILED: ${story}`);
  if (broken.length === 0) console.error("passed: nothing was lost");
  else process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
