// SPDX-License-Identifier: Apache-2.0
/** Runs a small world in a folder of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runWorld, type WorldOptions, type WorldResult } from "../../simulator/world/world.ts";

export interface Simulated {
  readonly lines: readonly string[];
  readonly result: WorldResult;
}

/** Default: 20 minutes of 6 devices at 2 gateways. */
export async function simulated(
  options: Partial<WorldOptions> & { readonly seed: string },
): Promise<Simulated> {
  const folder = await mkdtemp(join(tmpdir(), "muster-simulation-"));
  try {
    const lines: string[] = [];
    const onLine = (line: string): void => void lines.push(line);
    const size = { minutes: 20, devices: 6, gateways: 2 };
    return { result: await runWorld({ ...size, ...options, folder, onLine }), lines };
  } finally {
    await rm(folder, { recursive: true });
  }
}
