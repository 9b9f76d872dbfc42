// SPDX-License-Identifier: Apache-2.0
/** What commands need of a process, for tests that call their parts directly. */
import type { Shell } from "../../cli/shell.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";

/** Interrupted by `signal` only. */
export function testShell(signal: AbortSignal): Pick<Shell, "random" | "interrupt" | "clock"> {
  return {
    clock: systemClock,
    random: systemRandom,
    interrupt: { signal, drain: () => undefined },
  };
}
