// SPDX-License-Identifier: Apache-2.0
/** Reads what the processes wrote: journals from their files, the rest through the API. */
import type { Session } from "../../cli/client.ts";
import type { AttemptState } from "../../domain/attempt.ts";
import type { RolloutState as State } from "../../domain/rollout.ts";
import type { AuditEntry, Json } from "../../ports/store.ts";
import {
  RolloutState,
  type AuditRecord,
  type Rollout,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type {
  AttemptHistory,
  History,
  Observation,
  RolloutHistory,
} from "../../simulator/checkers/history.ts";
import { readJournals, type JournalEntry } from "../../simulator/swarm/operation-journal.ts";

const PAGE = 1_000;

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
  const { rollouts } = await session.client.listRollouts({ pageSize: PAGE });
  return {
    journal,
    audit: await readAudit(session),
    rollouts: await Promise.all(
      rollouts
        .filter(({ plan }) => plan !== undefined)
        .map((rollout) => readRollout(session, rollout)),
    ),
    observations: [...observations],
    offerLifetimeMs,
  };
}

async function readAudit(session: Session): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (;;) {
    const afterSequence = BigInt(entries.at(-1)?.sequence ?? 0);
    const { records } = await session.client.listAudit({ afterSequence, pageSize: PAGE });
    if (records.length === 0) return entries;
    entries.push(...records.map(entryOf));
  }
}

function entryOf(record: AuditRecord): AuditEntry {
  const { tenant, actor, action, subject, reason, previousHash, hash } = record;
  return {
    sequence: Number(record.sequence),
    atMs: Number(record.atMs),
    tenant,
    actor,
    action,
    subject,
    reason,
    detail: JSON.parse(record.detailJson) as Json,
    previousHash,
    hash,
  };
}

async function readRollout(session: Session, rollout: Rollout): Promise<RolloutHistory> {
  const { number, tenant, name, parent, child, plan, progress, spec } = rollout;
  const deadlines = spec?.deadlines;
  const ms = (value: bigint | undefined): number => Number(value ?? 0n);
  return {
    number,
    tenant,
    name,
    state: stateOf(rollout.state),
    parent,
    child,
    deviceCount: plan?.deviceCount ?? 0,
    waveTotal: plan?.waves.length ?? 0,
    waveCount: progress?.wave ?? 0,
    maxInFlight: plan?.maxInFlight ?? 0,
    blastRadius: plan?.blastRadiusBound ?? 0,
    soakMs: ms(spec?.soakMs),
    reachMs: ms(deadlines?.reachMs),
    giveUpMs: Math.min(
      ms(deadlines?.downloadMs),
      ms(deadlines?.waitingMs),
      ms(deadlines?.installMs),
      ms(deadlines?.verifyMs),
    ),
    byState: progress?.byState ?? {},
    maxUnproven: progress?.maxUnproven ?? 0,
    failures: progress?.failures ?? 0,
    attempts: await readAttempts(session, name),
  };
}

async function readAttempts(session: Session, rollout: string): Promise<AttemptHistory[]> {
  const attempts: AttemptHistory[] = [];
  let pageToken = "";
  do {
    const page = await session.client.listAttempts({ rollout, pageSize: PAGE, pageToken });
    for (const { device, position, wave, state, generation, reason } of page.attempts) {
      attempts.push({
        device,
        position,
        wave,
        state: state as AttemptState,
        generation,
        reason,
      });
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return attempts;
}

/** `ROLLED_BACK` → `rolled-back`. */
export function stateOf(state: RolloutState): State {
  const found = Object.entries(RolloutState).find(([, value]) => value === state);
  return (found?.[0] ?? "").toLowerCase().replaceAll("_", "-") as State;
}
