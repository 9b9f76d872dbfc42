// SPDX-License-Identifier: Apache-2.0
/**
 * Reads from a device's disk what it runs, without the agent and without changing anything: for the
 * demo, for `doctor`, for checkers. It believes the link and what it measures.
 */
import { resolve } from "node:path";
import { SLOTS } from "../../protocol/device/status.ts";
import type { Slot } from "../../protocol/device/status.ts";
import { systemFiles } from "../files/system-files.ts";
import { readActiveLink } from "../state/active-link.ts";
import { readSideRecord } from "./side-record-file.ts";
import { dataLayout } from "./slot-layout.ts";
import { measureTree } from "./tree-digest.ts";

export interface InspectedSlot {
  readonly slot: Slot;
  /** "" = nothing is installed. */
  readonly version: string;
  /** The manifest's digest; "" when nothing is installed or what is linked is not whole. */
  readonly digest: string;
  readonly generation: number;
  /** The linked tree measures what its record says; true when nothing is installed. */
  readonly isWhole: boolean;
}

/** The slots that were ever written, in the protocol's order. */
export async function inspectSlots(
  dataDirectory: string,
  signal: AbortSignal,
): Promise<readonly InspectedSlot[]> {
  const files = systemFiles;
  const layout = dataLayout(resolve(dataDirectory));
  const inspected: InspectedSlot[] = [];
  for (const slot of SLOTS) {
    if ((await files.facts(layout.slotFolder(slot))) === null) continue;
    const side = await readActiveLink({ files, layout, slot });
    if (side === "none") {
      inspected.push({ slot, version: "", digest: "", generation: 0, isWhole: true });
      continue;
    }
    const read = await readSideRecord({ files, layout, slot, side });
    const record = read?.kind === "ok" ? read.value : null;
    const folder = layout.sideFolder(slot, side);
    const measured = await measureTree({ files, folder, signal });
    const isWhole = record?.treeDigest === measured;
    const { version = "", generation = 0 } = record ?? {};
    const digest = isWhole && record !== null ? record.digest : "";
    inspected.push({ slot, version, digest, generation, isWhole });
  }
  return inspected;
}
