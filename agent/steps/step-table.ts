// SPDX-License-Identifier: Apache-2.0
/**
 * The table that runs steps: one executor a kind. Each step passes `agent.<kind>.before`, `.after`.
 */
import { faultPoint } from "../../runtime/faults.ts";
import { runArchive } from "./archive.ts";
import { runCommand } from "./command.ts";
import { runCommit } from "./commit.ts";
import { runDownload } from "./download.ts";
import { runFile } from "./file.ts";
import { runHealthCheck } from "./health-check.ts";
import { runRun } from "./run.ts";
import { runSeal } from "./seal.ts";
import { runService } from "./service.ts";
import { runDiscard, runStageClean } from "./stage-clean.ts";
import type { Step, StepKind } from "./step.ts";
import type { StepContext, StepExecutor, StepResult } from "./step-context.ts";
import { runRollback, runSwitch } from "./switch.ts";
import { runVerify } from "./verify.ts";
import { runWait } from "./wait.ts";

type StepTable = {
  readonly [kind in StepKind]: StepExecutor<Extract<Step, { readonly kind: kind }>>;
};

const STEP_TABLE: StepTable = {
  download: runDownload,
  verify: runVerify,
  wait: runWait,
  "stage-clean": runStageClean,
  archive: runArchive,
  file: runFile,
  command: runCommand,
  seal: runSeal,
  switch: runSwitch,
  service: runService,
  "health-check": runHealthCheck,
  commit: runCommit,
  rollback: runRollback,
  discard: runDiscard,
  run: runRun,
};

export async function runStep(context: StepContext, step: Step): Promise<StepResult> {
  // The table's type ties each kind to its executor; TypeScript cannot follow that through a union.
  const execute = STEP_TABLE[step.kind] as StepExecutor<Step>;
  faultPoint(`agent.${step.kind}.before`);
  const result = await execute(context, step);
  faultPoint(`agent.${step.kind}.after`);
  return result;
}
