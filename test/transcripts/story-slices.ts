// SPDX-License-Identifier: Apache-2.0
/**
 * Reads where the devices of a transcript stand, and by what its rollout tells them apart:
 *
 *     regions eu eu us
 *     sites a a b
 */
import type { DeviceFacts } from "../../domain/device.ts";
import { sliceFact, slicePlan, type SlicedPlan } from "../../domain/slices.ts";

/** `names`: the facts that the gate slices by. Without regions and sites nothing is told apart. */
export function readSlices(
  lines: readonly string[],
  releases: readonly number[],
  names: readonly string[],
): SlicedPlan {
  const column = (name: string, fallback: string): string[] => {
    const line = lines.find((text) => text.startsWith(`${name} `));
    return line === undefined ? releases.map(() => fallback) : line.split(" ").slice(1);
  };
  const regions = column("regions", "eu");
  const sites = column("sites", "here").map((site) => (site === "-" ? "" : site));
  const devices = releases.map((_, device): DeviceFacts => ({
    ordinal: device,
    id: `d${device}`,
    region: regions[device] ?? "",
    site: sites[device] ?? "",
    labels: {},
    inventory: {},
    serviceLevel: "",
    critical: false,
    retired: false,
  }));
  const previous = ({ ordinal }: DeviceFacts): string => `release ${releases[ordinal]}`;
  return slicePlan(
    devices,
    names.map((name) => sliceFact(name, previous)),
  );
}
