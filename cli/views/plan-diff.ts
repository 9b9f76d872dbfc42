// SPDX-License-Identifier: Apache-2.0
/** Two plans beside each other, as a page to review. */
import type { ComparePlansResponse } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { renderTable } from "../output/table.ts";
import { formatCount } from "../output/units.ts";

const WORDS: { readonly [group: string]: string } = {
  added: "new in it",
  removed: "in it no more",
  earlier: "in an earlier wave",
  later: "in a later wave",
  same: "in the same wave",
};

/** `terminalWidth` null = not a terminal. */
export function planDiffLines(
  comparison: ComparePlansResponse,
  terminalWidth: number | null,
): string[] {
  const { name, other, groups, settings } = comparison;
  return [
    `Plan of rollout ${name} beside that of ${other}`,
    "",
    ...renderTable({
      terminalWidth,
      rows: groups.filter(({ deviceCount }) => deviceCount > 0),
      columns: [
        { title: "DEVICES", align: "right", cell: ({ deviceCount }) => formatCount(deviceCount) },
        { title: "ARE", cell: ({ group }) => WORDS[group] ?? group },
        { title: "FIRST OF THEM", cell: ({ sample }) => sample.join(" ") },
      ],
    }),
    "",
    ...(settings.length === 0
      ? ["Every setting is the same."]
      : renderTable({
          terminalWidth,
          rows: settings,
          columns: [
            { title: "SETTING", cell: (setting) => setting.name },
            { title: "BEFORE", cell: ({ before }) => (before === "" ? "-" : before) },
            { title: "NOW", cell: ({ after }) => (after === "" ? "-" : after) },
          ],
        })),
  ];
}
