// SPDX-License-Identifier: Apache-2.0
/** With which open rollouts a plan shares devices, and who goes first there. */
import type { Plan, Waiting } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { renderTable } from "../output/table.ts";
import { countOf, formatCount } from "../output/units.ts";

const WINNERS: { readonly [winner: string]: string } = {
  this: "this one goes first",
  other: "the other goes first",
  either: "one waits for the other",
};

/** Who waits for rollouts that go first, or have the same devices; nothing where nobody does. */
export function waitLines(of: {
  readonly waits: readonly Waiting[];
  readonly rivals?: readonly Waiting[];
}): string[] {
  const { waits, rivals = [] } = of;
  return [
    ...waits.map((waiting) => waitText(waiting)),
    ...rivals.map((waiting) => `${waitText(waiting)}, which has them first`),
  ];
}

function waitText({ rollout, deviceCount }: Waiting): string {
  const verb = deviceCount === 1 ? "waits" : "wait";
  return `${countOf(deviceCount, "device")} ${verb} for rollout ${rollout}`;
}

/** Nothing where there are none. */
export function conflictLines({ conflicts }: Plan, terminalWidth: number | null): string[] {
  if (conflicts.length === 0) return [];
  const rows = renderTable({
    terminalWidth,
    rows: conflicts,
    columns: [
      { title: "ROLLOUT", cell: ({ rollout }) => rollout },
      { title: "SLOT", cell: ({ slot }) => slot },
      { title: "DEVICES", align: "right", cell: ({ deviceCount }) => formatCount(deviceCount) },
      { title: "SO", cell: ({ winner }) => WINNERS[winner] ?? winner },
      { title: "FOR EXAMPLE", cell: ({ sample }) => sample.join(" ") },
    ],
  });
  return ["Other rollouts are open for some of these devices:", ...rows, ""];
}
