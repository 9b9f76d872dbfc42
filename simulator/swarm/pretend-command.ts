// SPDX-License-Identifier: Apache-2.0
/**
 * How a pretend device answers a command. It runs nothing: it reads the arguments, in which a test
 * or a demonstration says what becomes of it where, by the number at the end of a device's id:
 *
 *     muster run -l '' -- pretend --hang=5 --fail=10 --print=2000
 *
 * Devices 1 to 5 hang until the command's time is over, the ten after them end with status 3, and
 * each one prints its id and so many bytes behind it. Any other command prints the id and ends
 * well.
 */
import type { Command } from "../../domain/subject.ts";
import type { ReportReason } from "../../protocol/device/report.ts";

export interface PretendAnswer {
  readonly phase: "installed" | "failed";
  readonly reason?: ReportReason;
  readonly exitCode?: number;
  readonly outputBytes: number;
  readonly output: string;
  /** It ends when its time is over, and not before. */
  readonly hangs: boolean;
}

const FAILED_EXIT_CODE = 3;

export function answerCommand(command: Command, device: string): PretendAnswer {
  const { work, timeoutMs, outputLimitBytes } = command;
  const run = work.kind === "run" ? work.run : [];
  const number = Number(/(\d+)$/.exec(device)?.[1] ?? 0);
  const hanging = argument(run, "--hang");
  if (number >= 1 && number <= hanging) {
    const output = `${device} hangs for ${timeoutMs} ms\n`;
    const outputBytes = output.length;
    return { phase: "failed", reason: "command-timed-out", outputBytes, output, hangs: true };
  }
  const printed = `${device}\n${"x".repeat(argument(run, "--print"))}`;
  const said = {
    outputBytes: printed.length,
    output: printed.slice(0, outputLimitBytes),
    hangs: false,
  };
  const fails = number > hanging && number <= hanging + argument(run, "--fail");
  return fails
    ? { phase: "failed", reason: "command-failed", exitCode: FAILED_EXIT_CODE, ...said }
    : { phase: "installed", exitCode: 0, ...said };
}

/** 0 when it is not given. */
function argument(run: readonly string[], name: string): number {
  const given = run.find((word) => word.startsWith(`${name}=`));
  return Number(given?.slice(name.length + 1) ?? 0) || 0;
}
