// SPDX-License-Identifier: Apache-2.0
/**
 * `muster` on a machine whose clock is wrong: the same program with a wall clock that is off by
 * `--off MS`, the first two arguments. Everything else, the monotonic clock too, is the machine's.
 */
import { createProcessInterrupt } from "../../../cli/interrupt.ts";
import { runCommandLine } from "../../../cli/run.ts";
import type { Shell } from "../../../cli/shell.ts";
import type { Clock } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";

const [, , , offMs = "0", ...words] = process.argv;
const clock: Clock = {
  wallMs: () => systemClock.wallMs() + Number(offMs),
  monotonicMs: () => systemClock.monotonicMs(),
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
};
const exit = (status: number): never => process.exit(status);
const interrupt = createProcessInterrupt({
  events: process,
  clock,
  exit,
  onDrainTimeout: () => {},
});
const shell: Shell = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  clock,
  random: systemRandom,
  interrupt,
  setExitStatus: () => {},
};
const status = await runCommandLine({ words, requestedStatus: () => 0, shell });
exit(interrupt.exitStatus() ?? status);
