// SPDX-License-Identifier: Apache-2.0
/** By which steps the devices of a plan get to a release that has a floor. */
import type { Plan } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { renderTable } from "../output/table.ts";
import { formatCount } from "../output/units.ts";

/** Nothing where every device takes the release at once. */
export function pathLines({ paths }: Plan, terminalWidth: number | null): string[] {
  if (paths.length === 0) return [];
  const table = renderTable({
    terminalWidth,
    rows: paths,
    columns: [
      { title: "STEPS", align: "right", cell: ({ releases }) => String(releases.length) },
      { title: "DEVICES", align: "right", cell: ({ deviceCount }) => formatCount(deviceCount) },
      { title: "PATH", cell: ({ releases }) => releases.join(" → ") },
      { title: "FOR EXAMPLE", cell: ({ sample }) => sample.join(" ") },
    ],
  });
  return [...table, ""];
}
