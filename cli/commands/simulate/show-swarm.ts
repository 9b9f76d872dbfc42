// SPDX-License-Identifier: Apache-2.0
/** A running swarm on the terminal: who is connected, what they have done, how fast. */
import { delay } from "../../../ports/clock.ts";
import type { SwarmHandle } from "../../../simulator/swarm/swarm-processes.ts";
import type { SwarmStats } from "../../../simulator/swarm/swarm.ts";
import { formatCount } from "../../output/units.ts";
import type { Progress } from "../../progress/progress.ts";
import type { Shell } from "../../shell.ts";

const LOOK_EVERY_MS = 500;

/** Until the signal aborts. Throws when the swarm fails. */
export async function showSwarm(options: {
  shell: Pick<Shell, "clock">;
  swarm: SwarmHandle;
  progress: Progress;
  signal: AbortSignal;
}): Promise<void> {
  const { shell, swarm, progress, signal } = options;
  const { devices } = swarm.stats();
  const connected = progress.bar("connected", devices);
  const installed = progress.bar("installed", 0);
  const heartbeats = progress.bar("heartbeats", 0);
  const reports = progress.bar("reports", 0);
  while (!signal.aborted) {
    const stats = swarm.stats();
    connected.update(stats.connected);
    installed.update(stats.installed, outcomes(stats));
    heartbeats.update(stats.heartbeats);
    reports.update(stats.acknowledged, waiting(stats));
    await Promise.race([swarm.failed, pause(shell, signal)]);
  }
}

/** One line for a person, at the end. */
export function swarmSentence(stats: SwarmStats): string {
  const { devices, accepted, installed } = stats;
  const counts = `${formatCount(accepted)} accepted, ${formatCount(installed)} installed`;
  return `${formatCount(devices)} devices: ${counts}${withComma(outcomes(stats))}`;
}

function outcomes(stats: SwarmStats): string {
  const named: readonly [count: number, name: string][] = [
    [stats.rolledBack, "rolled back"],
    [stats.failed, "failed"],
    [stats.rejected, "rejected"],
    [stats.superseded, "superseded"],
    [stats.lies, "lied"],
    [stats.silent, "fell silent"],
    [stats.doubleActivations, "ACTIVATED TWICE"],
  ];
  return named
    .filter(([count]) => count > 0)
    .map(([count, name]) => `${formatCount(count)} ${name}`)
    .join(", ");
}

function waiting(stats: SwarmStats): string {
  const { pendingReports } = stats;
  return pendingReports === 0 ? "" : `${formatCount(pendingReports)} not acknowledged`;
}

function withComma(text: string): string {
  return text === "" ? "" : `, ${text}`;
}

async function pause(shell: Pick<Shell, "clock">, signal: AbortSignal): Promise<void> {
  await delay(shell.clock, LOOK_EVERY_MS, signal).catch(() => {}); // The loop looks at the signal.
}
