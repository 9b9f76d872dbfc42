// SPDX-License-Identifier: Apache-2.0
/** Reads through the API what checkers want to know from the center. */
import type { Client } from "@connectrpc/connect";
import { assert } from "../../domain/assert.ts";
import type { AttemptState } from "../../domain/attempt.ts";
import type { RolloutState as State } from "../../domain/rollout.ts";
import type { AuditEntry } from "../../ports/store.ts";
import { auditEntryOf } from "../../protocol/audit-record.ts";
import {
  RolloutState,
  type DeployService,
  type Rollout,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { AttemptHistory, RolloutHistory } from "./history.ts";

const PAGE = 1_000;

export type ApiClient = Client<typeof DeployService>;

/** The whole audit log, from the first entry. */
export async function readAudit(client: ApiClient): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (;;) {
    const afterSequence = BigInt(entries.at(-1)?.sequence ?? 0);
    const { records } = await client.listAudit({ afterSequence, pageSize: PAGE });
    if (records.length === 0) return entries;
    for (const record of records) {
      const entry = auditEntryOf(record);
      assert(entry !== null, "the detail of an audit record is JSON");
      entries.push(entry);
    }
  }
}

/** Every rollout that has a plan, rollbacks included. */
export async function readRollouts(client: ApiClient): Promise<RolloutHistory[]> {
  const { rollouts } = await client.listRollouts({ pageSize: PAGE });
  const planned = rollouts.filter(({ plan }) => plan !== undefined);
  const histories: RolloutHistory[] = [];
  // One after the other: together, some hundred of them are more than a center lets wait.
  for (const rollout of planned) histories.push(await readRollout(client, rollout));
  return histories;
}

async function readRollout(client: ApiClient, rollout: Rollout): Promise<RolloutHistory> {
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
    attempts: await readAttempts(client, name),
  };
}

async function readAttempts(client: ApiClient, rollout: string): Promise<AttemptHistory[]> {
  const attempts: AttemptHistory[] = [];
  let pageToken = "";
  do {
    const page = await client.listAttempts({ rollout, pageSize: PAGE, pageToken });
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
