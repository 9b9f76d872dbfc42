// SPDX-License-Identifier: Apache-2.0
/** How long devices were without a connection, and how many at the same time. */
import type { JournalEntry } from "../../../simulator/swarm/operation-journal.ts";

export interface AbsenceFigures {
  /** Connections that ended. */
  readonly count: number;
  readonly mostAtOnce: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Devices that did not come back. */
  readonly neverBack: number;
}

/** `journal`: in the order in which it was written; of one period, at whose begin all are there. */
export function judgeAbsences(journal: Iterable<JournalEntry>): AbsenceFigures {
  const since = new Map<string, number>();
  const timesMs: number[] = [];
  let mostAtOnce = 0;
  for (const { op, device, at } of journal) {
    if (op === "disconnect") {
      since.set(device, at);
      mostAtOnce = Math.max(mostAtOnce, since.size);
    } else if (op === "connect") {
      timesMs.push(at - (since.get(device) ?? at));
      since.delete(device);
    }
  }
  timesMs.sort((one, other) => one - other);
  const share = (part: number): number => timesMs[Math.ceil(timesMs.length * part) - 1] ?? 0;
  return {
    count: timesMs.length + since.size,
    mostAtOnce,
    medianMs: share(0.5),
    p99Ms: share(0.99),
    longestMs: share(1),
    neverBack: since.size,
  };
}
