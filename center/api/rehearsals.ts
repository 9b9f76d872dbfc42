// SPDX-License-Identifier: Apache-2.0
/** DeployService: what would happen if this rollout were started now. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { MusterError } from "../../domain/errors.ts";
import { checkName } from "../../domain/identity.ts";
import { needsEvidence } from "../../domain/subject.ts";
import { compileSelector } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import type { DeployService } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type {
  RehearsalPlaySchema,
  RehearseRolloutRequest,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { RehearsalThread } from "../rehearsal/rehearsal-thread.ts";
import type { Play, RehearsalScript, Scenario } from "../rehearsal/rehearsal.ts";
import { makeScript, type ScriptMakerOptions } from "../rehearsal/script-maker.ts";
import { draftRecord, readRollout, rolloutKey } from "../rollouts/rollout-record.ts";
import type { RolloutRecord } from "../rollouts/rollout-record.ts";
import { authorize } from "./call.ts";
import { planMessage, WIRE_STATE } from "./rollout-message.ts";
import { readSpec } from "./rollout-spec.ts";

export interface RehearsalsOptions extends ScriptMakerOptions {
  readonly thread: RehearsalThread;
}

const DEFAULT_BROKEN_PERCENTS: readonly number[] = [0, 1, 5, 20, 50];
const MAX_PERCENTS = 10;
const MAX_RUNS = 50;
/** Device plays in all where nobody says how many: about a minute of one core. */
const DEVICE_PLAYS = 100_000;
const MAX_DEFAULT_RUNS = 20;
/** Of a rollout that exists nowhere: no other is in the Store of its rehearsal. */
const REHEARSED_NUMBER = 1;

export function rehearsalMethods(
  options: RehearsalsOptions,
): Pick<ServiceImpl<typeof DeployService>, "rehearseRollout"> {
  return {
    rehearseRollout: async function* (request, context) {
      const tenant = authorize(context, request.tenant, "viewer");
      const { signal } = context;
      const record = await rehearsedRecord(options, tenant, request, signal);
      checkRequest(request);
      const isFragile = compileSelector(parseSelector(request.brokenSelector));
      const script = await makeScript(options, record, isFragile, signal);
      const scenarios = scenariosOf(request, script.ordinals.length);
      yield { kind: { case: "outline" as const, value: outlineOf(script, scenarios.length) } };
      for await (const news of options.thread.run(script, scenarios, signal)) {
        if (news.kind === "play") {
          yield { kind: { case: "play" as const, value: playMessage(news.scenario, news.play) } };
          continue;
        }
        const virtualMs = BigInt(Math.round(news.virtualMs));
        yield { kind: { case: "progress" as const, value: { virtualMs } } };
      }
    },
  };
}

async function rehearsedRecord(
  options: RehearsalsOptions,
  tenant: string,
  request: RehearseRolloutRequest,
  signal: AbortSignal,
): Promise<RolloutRecord> {
  const { name, spec } = request;
  checkName(name, "rollout name", "metadata.name");
  if (spec !== undefined) return draftOf(options, tenant, name, readSpec(spec));
  const key = rolloutKey(tenant, name);
  const document = await options.store.getDocument("rollout", key, { signal });
  if (document !== null) return draftOf(options, tenant, name, readRollout(document).spec);
  throw new MusterError({
    code: "not_found",
    message: `there is no rollout ${name}`,
    detail: { hint: "give the file of one that was not applied: muster rehearse -f rollout.yaml" },
  });
}

function draftOf(
  options: RehearsalsOptions,
  tenant: string,
  name: string,
  spec: RolloutRecord["spec"],
): RolloutRecord {
  if (!needsEvidence(spec)) throw isCommand(name);
  const createdAtMs = options.clock.wallMs();
  return draftRecord({ number: REHEARSED_NUMBER, tenant, name, spec, createdAtMs });
}

/** The model of the fleet is learnt from installs: nothing says how long a command takes. */
function isCommand(name: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `cannot rehearse rollout ${name}: its subject is a command, and only installs are`,
    detail: {
      field: "spec.command",
      hint: "run it on a small wave first: muster run --wave 1 …",
    },
  });
}

function checkRequest(request: RehearseRolloutRequest): void {
  const { brokenPercents, silentPercent, runCount } = request;
  const isPercent = (value: number): boolean => value >= 0 && value <= 100;
  if (brokenPercents.length > MAX_PERCENTS || !brokenPercents.every(isPercent)) {
    throw invalid("brokenPercents", `are not at most ${MAX_PERCENTS} percentages from 0 to 100`);
  }
  if (!isPercent(silentPercent)) throw invalid("silentPercent", "is not between 0 and 100");
  if (runCount > MAX_RUNS) throw invalid("runCount", `is more than ${MAX_RUNS}`);
}

function invalid(field: string, problem: string): MusterError {
  const message = `cannot rehearse: ${field} ${problem}`;
  return new MusterError({ code: "invalid_argument", message, detail: { field } });
}

function scenariosOf(request: RehearseRolloutRequest, deviceCount: number): Scenario[] {
  const { brokenPercents, silentPercent, runCount, seed } = request;
  const percents = brokenPercents.length === 0 ? DEFAULT_BROKEN_PERCENTS : brokenPercents;
  const affordable = Math.floor(DEVICE_PLAYS / (deviceCount * percents.length));
  const runs = runCount === 0 ? Math.max(1, Math.min(affordable, MAX_DEFAULT_RUNS)) : runCount;
  return percents.flatMap((percent) =>
    Array.from({ length: runs }, (_, run) => ({
      brokenShare: percent / 100,
      silentShare: silentPercent / 100,
      seed: (seed === 0 ? 1 : seed) + run,
    })),
  );
}

function outlineOf(
  script: RehearsalScript,
  playCount: number,
): {
  plan: ReturnType<typeof planMessage>;
  workSource: string;
  onlineSource: string;
  medianWorkMs: bigint;
  playCount: number;
} {
  const { workMs, workSource, onlineSource } = script.model;
  return {
    plan: planMessage(script.plan, script.spec),
    workSource,
    onlineSource,
    medianWorkMs: BigInt(Math.round(workMs[workMs.length >> 1] ?? 0)),
    playCount,
  };
}

function playMessage(
  { brokenShare }: Scenario,
  play: Play,
): MessageInitShape<typeof RehearsalPlaySchema> {
  return {
    brokenPercent: brokenShare * 100,
    state: WIRE_STATE[play.state],
    stateReason: play.stateReason,
    durationMs: BigInt(Math.round(play.durationMs)),
    offeredForMs: BigInt(Math.round(play.offeredForMs)),
    exposed: play.exposed,
    failures: play.failures,
    maxUnproven: play.maxUnproven,
    timeline: play.timeline.map(({ atMs, ...counts }) => {
      return { ...counts, atMs: BigInt(Math.round(atMs)) };
    }),
  };
}
