// SPDX-License-Identifier: Apache-2.0
/**
 * The built-in `collect`: what helps to find out what is wrong with a device, as JSON. A fixed set
 * without a parameter: the center cannot ask for a file of its choice with it, and nothing in it is
 * a secret (no keys, no tokens, no environment).
 */
import { arch, cpus, freemem, loadavg, release, totalmem, type, uptime } from "node:os";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { knownSlots } from "../state/journal-state.ts";
import type { StepContext } from "./step-context.ts";

export async function collectFacts(context: StepContext): Promise<string> {
  const { journal, layout, clock } = context;
  const folder = dirname(layout.journal);
  const disk = await statfs(folder);
  const slots = knownSlots(journal.state).map((slot) => {
    const { active, sides, previousGood, highestGeneration, attempt, answer } = journal.slot(slot);
    const sideOf = (side: "a" | "b"): object | null => {
      const record = sides[side];
      if (record === null) return null;
      const { release: name, version, digest, proven } = record;
      return { release: name, version, digest, proven };
    };
    return {
      slot,
      active,
      a: sideOf("a"),
      b: sideOf("b"),
      previousGood,
      highestGeneration,
      attempt: attempt === null ? null : { phase: attempt.phase, stepIndex: attempt.stepIndex },
      lastAnswer: answer === null ? null : { phase: answer.phase, reason: answer.reason ?? "" },
    };
  });
  const system = {
    kernel: `${type()} ${release()}`,
    architecture: arch(),
    processors: cpus().length,
    bootId: await context.bootId(),
    upSeconds: Math.floor(uptime()),
    loadAverages: loadavg(),
    memoryBytes: { total: totalmem(), free: freemem() },
    diskBytes: { total: disk.blocks * disk.bsize, free: disk.bavail * disk.bsize },
    wallTime: new Date(clock.wallMs()).toISOString(),
  };
  return `${JSON.stringify({ system, slots }, null, 2)}\n`;
}
