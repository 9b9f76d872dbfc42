// SPDX-License-Identifier: Apache-2.0
/**
 * Runs a command of the center and decides the attempt by how it ended. At most once: the journal
 * says `installing` before it begins, and an agent that finds that at its start does not begin it
 * again but says that it was interrupted. What it printed is in the outbox before the outcome is
 * decided, so the last report never comes without it.
 */
import type { Command } from "../../domain/subject.ts";
import { delay } from "../../ports/clock.ts";
import { faultPoint } from "../../runtime/faults.ts";
import { offerEnvironment } from "../hooks.ts";
import { outputParts } from "../../protocol/device/output-parts.ts";
import { OutputKeeper } from "../process/output-keeper.ts";
import { describeProcessResult, type ProcessResult } from "../process/process-runner.ts";
import type { AttemptState, Outcome } from "../state/journal-state.ts";
import { collectFacts } from "./collect.ts";
import type { RunStep } from "./step.ts";
import { DONE } from "./step-context.ts";
import type { StepContext, StepExecutor } from "./step-context.ts";

export const runRun: StepExecutor<RunStep> = async (context, step) => {
  const { journal, slot, halt } = context;
  faultPoint("agent.run.middle");
  const { outcome, text } = await carryOut(context, step.command);
  halt.throwIfAborted();
  const parts = outputParts(text);
  for (const part of parts.slice(0, -1)) await context.sayOutput(part);
  const last = parts.at(-1) ?? "";
  faultPoint("agent.run.ended");
  await journal.updateAttempt(slot, (attempt) => ({
    ...attempt,
    outcome: { detail: last, ...outcome },
  }));
  return DONE;
};

/**
 * How a command ended in whose midst the agent ended; null when none had begun. A reboot is proven
 * by another boot.
 */
export async function interruptedRun(
  attempt: AttemptState,
  bootId: () => Promise<string>,
): Promise<Outcome | null> {
  const step = attempt.steps[attempt.stepIndex];
  if (step?.kind !== "run" || attempt.phase !== "installing") return null;
  const { work } = step.command;
  if (work.kind === "built-in" && work.name === "reboot" && (await bootId()) !== step.bootId) {
    return { phase: "installed", exitCode: 0, detail: "the device has started again" };
  }
  const detail = "the agent ended while the command ran; it is not run again";
  return { phase: "failed", reason: "command-interrupted", detail };
}

interface Ended {
  readonly outcome: Outcome;
  readonly text: string;
}

async function carryOut(context: StepContext, command: Command): Promise<Ended> {
  const { work } = command;
  switch (work.kind) {
    case "run":
      return runProgram(context, command, work.run);
    case "script":
      return runProgram(context, command, ["sh", "-c", work.script]);
    case "built-in":
      return work.name === "reboot"
        ? reboot(context, command)
        : keep(command, await collectFacts(context));
  }
}

async function runProgram(
  context: StepContext,
  command: Command,
  run: readonly string[],
): Promise<Ended> {
  const { layout, slot, offer, halt, files } = context;
  const folder = layout.slotFolder(slot);
  await files.makeFolder(folder);
  const keeper = new OutputKeeper(command.outputLimitBytes);
  const result = await context.processes.run({
    run,
    folder,
    environment: offerEnvironment(slot, offer),
    timeoutMs: command.timeoutMs,
    mayLeaveProcesses: false,
    output: (chunk) => keeper.add(chunk),
    signal: halt,
  });
  const outputBytes = keeper.totalBytes;
  return { outcome: { ...outcomeOf(run, result), outputBytes }, text: keeper.text() };
}

function outcomeOf(run: readonly string[], result: ProcessResult): Outcome {
  switch (result.kind) {
    case "exited": {
      const { exitCode } = result;
      if (exitCode === 0) return { phase: "installed", exitCode };
      return { phase: "failed", reason: "command-failed", exitCode };
    }
    case "timed-out":
      return { phase: "failed", reason: "command-timed-out" };
    case "not-started":
      return {
        phase: "failed",
        reason: "command-failed",
        detail: describeProcessResult(run, result),
      };
    default:
      return { phase: "failed", reason: "command-failed" };
  }
}

/** Waits for the device to go down; what is decided then is decided by the next agent. */
async function reboot(context: StepContext, command: Command): Promise<Ended> {
  const { hooks, slot, offer, halt, clock } = context;
  const result = await hooks.reboot(slot, offer, halt);
  if (result.kind !== "exited" || result.exitCode !== 0) {
    const detail = describeProcessResult(["the reboot hook"], result);
    return { outcome: { phase: "failed", reason: "command-failed", detail }, text: "" };
  }
  await delay(clock, command.timeoutMs, halt);
  const detail = "the reboot hook ended well, and the device did not go down";
  return { outcome: { phase: "failed", reason: "command-timed-out", detail }, text: "" };
}

function keep(command: Command, text: string): Ended {
  const keeper = new OutputKeeper(command.outputLimitBytes);
  keeper.add(Buffer.from(text));
  const outcome = { phase: "installed", exitCode: 0, outputBytes: keeper.totalBytes } as const;
  return { outcome, text: keeper.text() };
}
