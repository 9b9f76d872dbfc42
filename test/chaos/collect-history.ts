// SPDX-License-Identifier: Apache-2.0
/** Reads what the processes wrote: journals from their files, the rest through the API. */
import type { Session } from "../../cli/client.ts";
import type { History, Observation } from "../../simulator/checkers/history.ts";
import { readAudit, readRollouts } from "../../simulator/checkers/read-rollouts.ts";
import { readJournals, type JournalEntry } from "../../simulator/swarm/operation-journal.ts";

export async function collectHistory(options: {
  session: Session;
  /** Of processes that share no device. */
  journalDirectories: readonly string[];
  observations: readonly Observation[];
  offerLifetimeMs: number;
  signal: AbortSignal;
}): Promise<History> {
  const { session, observations, offerLifetimeMs } = options;
  const journal: JournalEntry[] = [];
  for (const directory of options.journalDirectories) {
    for await (const entry of readJournals(directory)) journal.push(entry);
  }
  journal.sort((one, other) => one.at - other.at);
  return {
    journal,
    audit: await readAudit(session.client),
    rollouts: await readRollouts(session.client),
    observations: [...observations],
    offerLifetimeMs,
  };
}
