// SPDX-License-Identifier: Apache-2.0
/**
 * One act of the demo: a release goes out as a rollout, is watched to its end, and then everything
 * that was claimed is compared with what the devices themselves say: real agents by their disks,
 * pretended ones by their own records.
 */
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { RolloutState, type Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "../client.ts";
import type { Bar, Progress } from "../progress/progress.ts";
import { required } from "../required.ts";
import { ENDED_ATTEMPTS } from "../views/rollouts.ts";
import { stopFigures } from "../views/stop-reach.ts";
import type { ActResult } from "./demo-result.ts";

/** What a device itself says it runs. */
export interface DeviceTruth {
  readonly id: string;
  readonly digest: string;
  /** How often it activated a release under a generation that it had activated already. */
  readonly doubleActivations: number;
}

export interface ActPlan {
  readonly title: string;
  readonly rollout: string;
  readonly release: string;
  /** SHA-256 of the release's manifest. */
  readonly digest: string;
  readonly waves: readonly number[];
  /** Percent of the plan. */
  readonly blastRadius: number;
  readonly maxInFlight: number;
  readonly maxFailures: number;
  readonly soakMs: number;
  /** Called with every state of the rollout that is seen. */
  readonly during?: (rollout: Rollout) => Promise<void>;
}

export interface ActContext {
  readonly session: Session;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly truth: () => Promise<ReadonlyMap<string, DeviceTruth>>;
}

const DEADLINES = {
  reachMs: 10_000n,
  downloadMs: 60_000n,
  installMs: 30_000n,
  verifyMs: 30_000n,
  waitingMs: 60_000n,
  offlineGraceMs: 30_000n,
};
const ENDED: readonly RolloutState[] = [
  RolloutState.SUCCEEDED,
  RolloutState.STOPPED,
  RolloutState.ROLLED_BACK,
];

export async function playAct(context: ActContext, plan: ActPlan): Promise<ActResult> {
  const { session, clock } = context;
  const before = await context.truth();
  const startedAtMs = clock.monotonicMs();
  await start(session, plan);
  const rollout = await follow(context, plan);
  const seconds = (clock.monotonicMs() - startedAtMs) / 1_000;
  const after = await context.truth();
  const byState = rollout.progress?.byState ?? {};
  const count = (state: string): number => byState[state] ?? 0;
  return {
    name: plan.title,
    release: plan.release,
    planned: required(rollout.plan, "a plan").deviceCount,
    succeeded: count("succeeded"),
    failed: rollout.progress?.failures ?? 0,
    rolledBack: count("rolled-back"),
    blastRadiusPlanned: await plannedRadius(session, rollout),
    blastRadiusActual: rollout.progress?.maxUnproven ?? 0,
    halted: rollout.state !== RolloutState.SUCCEEDED,
    stop: rollout.stopReach === undefined ? null : stopFigures(rollout.stopReach),
    seconds: Math.round(seconds * 10) / 10,
    doubleActivations: sum(after, before),
    unaccounted: await countUnaccounted(session, plan, rollout, before, after),
  };
}

async function start(session: Session, plan: ActPlan): Promise<void> {
  const { client, call } = session;
  const name = plan.rollout;
  const percent = (value: number): { kind: { case: "percent"; value: number } } => ({
    kind: { case: "percent", value },
  });
  await client.applyRollout(
    {
      mutation: session.mutation(plan.title),
      name,
      spec: {
        release: plan.release,
        selector: "",
        waves: plan.waves.map(percent),
        maxInFlight: percent(plan.maxInFlight),
        blastRadius: percent(plan.blastRadius),
        gate: {
          maxFailures: { kind: { case: "count", value: plan.maxFailures } },
          minSuccessPercent: 50,
          minSample: 20,
        },
        soakMs: BigInt(plan.soakMs),
        deadlines: DEADLINES,
      },
    },
    call,
  );
  const planned = await client.planRollout({ mutation: session.mutation(plan.title), name }, call);
  const planDigest = planned.rollout?.plan?.digest ?? "";
  await client.startRollout({ mutation: session.mutation(plan.title), name, planDigest }, call);
}

async function follow(context: ActContext, plan: ActPlan): Promise<Rollout> {
  const { session, progress } = context;
  const bar = progress.bar(plan.rollout, 0);
  let back: Bar | null = null;
  const request = { name: plan.rollout };
  for await (const { rollout } of session.client.watchRollout(request, session.call)) {
    if (rollout === undefined) continue;
    const total = rollout.plan?.deviceCount ?? 0;
    const { byState = {}, unproven = 0, failures = 0 } = rollout.progress ?? {};
    bar.setTotal(total);
    bar.update(byState["succeeded"] ?? 0, `${unproven} unproven, ${failures} failed`);
    if (rollout.child !== "") {
      back ??= progress.bar("back", total);
      const reached = rollout.progress?.exposed ?? 0;
      back.setTotal(reached);
      back.update(byState["rolled-back"] ?? 0);
    }
    progress.status(rollout.stateReason);
    await plan.during?.(rollout);
    if (!ENDED.includes(rollout.state)) continue;
    bar.finish(rollout.stateReason);
    back?.finish();
    progress.status("");
    return rollout;
  }
  throw new MusterError({
    code: "unavailable",
    message: `the center stopped telling about rollout ${plan.rollout}`,
  });
}

/**
 * The worst case that was promised: from the audit entry of the frozen plan, not from the result.
 */
async function plannedRadius(session: Session, rollout: Rollout): Promise<number> {
  const subject = `rollout/${rollout.tenant}/${rollout.name}`;
  let afterSequence = 0n;
  for (;;) {
    const request = { afterSequence, pageSize: 1_000 };
    const { records } = await session.client.listAudit(request, session.call);
    const entry = records.find(
      (record) => record.action === "rollout.plan" && record.subject === subject,
    );
    if (entry !== undefined) {
      return (JSON.parse(entry.detailJson) as { blastRadius: number }).blastRadius;
    }
    const last = records.at(-1);
    if (last === undefined) return 0;
    afterSequence = last.sequence;
  }
}

/** Attempts without an end, and ends that the device itself contradicts. */
async function countUnaccounted(
  session: Session,
  plan: ActPlan,
  rollout: Rollout,
  before: ReadonlyMap<string, DeviceTruth>,
  after: ReadonlyMap<string, DeviceTruth>,
): Promise<number> {
  let unaccounted = 0;
  let pageToken = "";
  do {
    const request = { rollout: rollout.name, pageSize: 1_000, pageToken };
    const page = await session.client.listAttempts(request, session.call);
    for (const { device, state } of page.attempts) {
      const runs = after.get(device)?.digest;
      const wanted = state === "succeeded" ? plan.digest : before.get(device)?.digest;
      const isEnd = ENDED_ATTEMPTS.includes(state);
      if (!isEnd || runs === undefined || runs !== wanted) unaccounted++;
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return unaccounted;
}

function sum(
  after: ReadonlyMap<string, DeviceTruth>,
  before: ReadonlyMap<string, DeviceTruth>,
): number {
  let doubles = 0;
  for (const [id, { doubleActivations }] of after) {
    doubles += doubleActivations - (before.get(id)?.doubleActivations ?? 0);
  }
  return doubles;
}
