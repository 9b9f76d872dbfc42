// SPDX-License-Identifier: Apache-2.0
/** Devices as rows and in detail. */
import type { Device, RunningSlot } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { PresenceSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { enumWord } from "../output/plain-data.ts";
import type { Column } from "../output/table.ts";
import { formatAge, formatInstant } from "../output/units.ts";
import { factLines } from "./fact-lines.ts";

export function deviceColumns(nowMs: number): readonly Column<Device>[] {
  return [
    { title: "ID", cell: ({ id }) => id },
    { title: "PRESENCE", cell: presenceText },
    { title: "REGION", cell: ({ region }) => region },
    { title: "SITE", cell: ({ site }) => site },
    { title: "RUNS", cell: ({ running }) => running.map(slotText).join(" ") },
    { title: "GATEWAY", cell: ({ gateway }) => gateway },
    { title: "SEEN", align: "right", cell: ({ lastSeenAtMs }) => formatAge(lastSeenAtMs, nowMs) },
    { title: "LABELS", cell: ({ labels }) => pairText(labels) },
  ];
}

export function deviceLines(device: Device): string[] {
  return [
    ...factLines([
      ["device", device.id],
      ["tenant", device.tenant],
      ["presence", presenceText(device)],
      ["last seen", formatInstant(device.lastSeenAtMs)],
      ["gateway", device.gateway],
      ["region", device.region],
      ["site", device.site],
      ["labels", pairText(device.labels)],
      ["service level", device.serviceLevel === "" ? "standard" : device.serviceLevel],
      ["critical", device.critical ? "yes" : "no"],
      ["registered", formatInstant(device.registeredAtMs)],
      ["ordinal", String(device.ordinal)],
      ...(device.oscoreSenderId === "" ? [] : [["oscore", device.oscoreSenderId] as const]),
    ]),
    ...section("Runs", device.running.map(slotFact)),
    ...section("Reports", Object.entries(device.inventory).toSorted(byName)),
  ];
}

function section(title: string, facts: readonly (readonly [string, string])[]): string[] {
  return facts.length === 0 ? [] : ["", title, ...factLines(facts, "  ")];
}

function presenceText(device: Device): string {
  if (device.retired) return "retired";
  const word = enumWord(PresenceSchema, device.presence);
  return word === "" ? "never seen" : word;
}

function slotText(slot: RunningSlot): string {
  const what = slot.release === "" ? slot.digest.slice(0, 12) : slot.release;
  return `${slot.slot}:${what === "" ? "none" : what}${slot.healthy ? "" : "!"}`;
}

function slotFact(slot: RunningSlot): [string, string] {
  const release = slot.release === "" ? "an unknown release" : slot.release;
  const health = slot.healthy ? "healthy" : "not healthy";
  if (slot.digest === "") return [slot.slot, "nothing"];
  return [slot.slot, `${release}, ${health}, generation ${slot.generation}, ${slot.digest}`];
}

function pairText(pairs: { readonly [name: string]: string }): string {
  return Object.entries(pairs)
    .toSorted(byName)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

function byName([left]: readonly [string, string], [right]: readonly [string, string]): number {
  return left < right ? -1 : 1;
}
