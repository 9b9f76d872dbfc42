// SPDX-License-Identifier: Apache-2.0
/** What `muster demo --json` prints: one object, the same figures that the text shows. */

import type { StopFigures } from "../views/stop-reach.ts";

export interface ActResult {
  readonly name: string;
  /** `shop@1.0.0`. */
  readonly release: string;
  /** Devices in the frozen plan. */
  readonly planned: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Put back on what they ran before, those that had succeeded included. */
  readonly rolledBack: number;
  /** From the frozen plan's audit entry. */
  readonly blastRadiusPlanned: number;
  /** Most unproven devices at any moment. */
  readonly blastRadiusActual: number;
  /** The gate stopped it. */
  readonly halted: boolean;
  /** How far that stop got, and how fast; null = nothing was stopped. */
  readonly stop: StopFigures | null;
  readonly seconds: number;
  /** Activations of the same release under the same generation beyond the first, on any device. */
  readonly doubleActivations: number;
  /** Devices whose end is unknown, or whose disk contradicts it. */
  readonly unaccounted: number;
}

export interface AgentResult {
  readonly id: string;
  /** Read from its own disk, after each act. */
  readonly versions: readonly string[];
  readonly digests: readonly string[];
}

export interface DemoResult {
  /** In the center's inventory. */
  readonly devices: number;
  /** With a certificate and connected. */
  readonly enrolled: number;
  readonly acts: readonly ActResult[];
  readonly agents: readonly AgentResult[];
  readonly ok: boolean;
}

/** An act shows what it should: nothing unaccounted, nothing twice, the radius kept. */
export function actHolds(act: ActResult): boolean {
  return (
    act.unaccounted === 0 &&
    act.doubleActivations === 0 &&
    act.blastRadiusActual > 0 &&
    act.blastRadiusActual <= act.blastRadiusPlanned
  );
}
