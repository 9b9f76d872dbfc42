// SPDX-License-Identifier: Apache-2.0
/**
 * Named fault points in product code, inert unless the environment variable MUSTER_FAULTS is set
 * (tests only). Its value is a comma-separated list:
 *
 * - `crash:NAME` or `crash:NAME#3`: the process dies by SIGKILL at the first (third) time NAME is
 *   passed, as in a power cut: nothing is flushed, no handler runs.
 * - `stall:NAME`: the process stops itself (SIGSTOP) at NAME.
 * - `plant:NAME`: a planted bug: `isPlanted(NAME)` is true, and the code misbehaves as the comment
 *   beside it says. Checkers must catch each of them.
 *
 * Names are `role.noun.moment`: `center.ingest.decided`, `agent.switch.before`. With
 * `MUSTER_FAULT_TRACE=FILE`, each point passed is appended to the file, so that a test knows which
 * windows it has met.
 */
import { appendFileSync } from "node:fs";

interface FaultPlan {
  readonly crashAt: ReadonlyMap<string, number>;
  readonly stallAt: ReadonlySet<string>;
  readonly planted: ReadonlySet<string>;
  readonly traceFile: string | null;
}

function readPlan(environment: NodeJS.ProcessEnv): FaultPlan | null {
  const text = environment["MUSTER_FAULTS"] ?? "";
  const traceFile = environment["MUSTER_FAULT_TRACE"] ?? null;
  if (text === "" && traceFile === null) return null;
  const crashAt = new Map<string, number>();
  const stallAt = new Set<string>();
  const planted = new Set<string>();
  for (const item of text.split(",").filter((part) => part !== "")) {
    const match = /^(crash|stall|plant):([a-z0-9.-]+)(?:#(\d+))?$/.exec(item.trim());
    if (match === null) throw new Error(`MUSTER_FAULTS: cannot read ${JSON.stringify(item)}`);
    const [, kind, name, count] = match as unknown as [string, string, string, string?];
    if (kind === "crash") crashAt.set(name, Number(count ?? "1"));
    else if (kind === "stall") stallAt.add(name);
    else planted.add(name);
  }
  return { crashAt, stallAt, planted, traceFile };
}

const plan = readPlan(process.env);
const passed = new Map<string, number>();

/** Faults within one process: simulation says what becomes of whoever passes a point. */
export interface FaultHandler {
  passed(name: string): void;
  isPlanted(name: string): boolean;
}

let handler: FaultHandler | null = null;

/** For simulation; null = as the environment says. */
export function handleFaults(by: FaultHandler | null): void {
  handler = by;
}

/** Marks a moment. Costs one comparison when no faults are armed. */
export function faultPoint(name: string): void {
  if (handler !== null) return handler.passed(name);
  if (plan === null) return;
  const count = (passed.get(name) ?? 0) + 1;
  passed.set(name, count);
  if (plan.traceFile !== null) appendFileSync(plan.traceFile, `${name}\n`);
  if (plan.stallAt.has(name)) process.kill(process.pid, "SIGSTOP");
  if (plan.crashAt.get(name) === count) {
    process.kill(process.pid, "SIGKILL");
    // The signal is delivered before any further JavaScript of this thread matters; spin until
    // then.
    for (;;);
  }
}

/** True only in a test that planted this bug. */
export function isPlanted(name: string): boolean {
  if (handler !== null) return handler.isPlanted(name);
  return plan !== null && plan.planted.has(name);
}
