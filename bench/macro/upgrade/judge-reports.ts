// SPDX-License-Identifier: Apache-2.0
/** Whether what devices were told is safe is in the EventLog, each report by its name. */
import { createReportCursor, type ReportSet } from "../../../center/ingest/report-record.ts";
import type { JournalEntry } from "../../../simulator/swarm/operation-journal.ts";

export interface ReportFigures {
  /** Reports whose device was told that the center has them. */
  readonly acknowledged: number;
  /** Of those: not in the log. */
  readonly lost: number;
  /** Copies in the log beyond the first: sent again because the answer did not come. */
  readonly repeated: number;
}

interface ReportName {
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly sequence: number;
}

export function judgeReports(
  journal: Iterable<JournalEntry>,
  log: Iterable<ReportSet>,
): ReportFigures {
  const filed = new Set<string>();
  let repeated = 0;
  const cursor = createReportCursor();
  for (const set of log) {
    for (let index = 0; index < set.count; index += 1) {
      const report = set.at(index, cursor);
      if (report === null) continue;
      const name = nameOf(report);
      if (filed.has(name)) repeated += 1;
      filed.add(name);
    }
  }
  const acknowledged = new Set<string>();
  for (const entry of journal) if (entry.op === "ack") acknowledged.add(nameOf(entry));
  const lost = acknowledged.difference(filed).size;
  return { acknowledged: acknowledged.size, lost, repeated };
}

function nameOf({ rollout, position, generation, sequence }: ReportName): string {
  return `${rollout} ${position} ${generation} ${sequence}`;
}
