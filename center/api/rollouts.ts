// SPDX-License-Identifier: Apache-2.0
/** DeployService: rollouts. */
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { isDeepStrictEqual } from "node:util";
import { MusterError } from "../../domain/errors.ts";
import { checkName } from "../../domain/identity.ts";
import { isEnded, type RolloutSpec } from "../../domain/rollout.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { AuditDraft, DocumentWrite, Json, Store, StoredDocument } from "../../ports/store.ts";
import type { DeployService, Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { mapInTurns } from "../../runtime/map-in-turns.ts";
import type { CommandAction, LoopInbox } from "../rollouts/loop-inbox.ts";
import { changedMeanwhile, makePlan, type PlanMakerOptions } from "../rollouts/plan-maker.ts";
import { findSubject } from "../rollouts/planned-subject.ts";
import { comparePlans } from "../rollouts/plan-comparison.ts";
import { ROLLBACK_SUFFIX } from "../rollouts/rollback-maker.ts";
import { wordOf } from "../rollouts/rollout-commands.ts";
import {
  draftRecord,
  readRollout,
  rolloutKey,
  toJson,
  type RolloutRecord,
} from "../rollouts/rollout-record.ts";
import type { RolloutReader } from "../rollouts/rollout-reader.ts";
import type { RolloutWatchers } from "../rollouts/rollout-watchers.ts";
import { actorOf, authorize, pageSizeOf, reasonOf } from "./call.ts";
import { readSpec } from "./rollout-spec.ts";

export interface RolloutsOptions extends PlanMakerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly inbox: LoopInbox;
  readonly reader: RolloutReader;
  readonly watchers: RolloutWatchers;
}

type Methods =
  | "applyRollout"
  | "planRollout"
  | "approveRollout"
  | "comparePlans"
  | "startRollout"
  | "pauseRollout"
  | "resumeRollout"
  | "stopRollout"
  | "rollbackRollout"
  | "getRollout"
  | "listRollouts"
  | "watchRollout";

/** A watcher hears at most so often of one rollout. */
const WATCH_INTERVAL_MS = 200;
/** Rollouts are numbered by twos: n + 1 is kept for the rollback of n. */
const NUMBER_STEP = 2;

export function rolloutMethods(
  options: RolloutsOptions,
): Pick<ServiceImpl<typeof DeployService>, Methods> {
  const { reader } = options;
  return {
    applyRollout: async (request, context) => {
      const tenant = authorize(context, request.tenant, "operator");
      checkName(request.name, "rollout name", "metadata.name");
      checkNotReserved(request.name);
      const spec = readSpec(request.spec);
      findSubject(options.releases, { tenant, spec });
      const who = { actor: actorOf(context), reason: reasonOf(request.mutation) };
      const make = request.plan ? createPlanned : apply;
      const done = await make(options, tenant, request.name, spec, who, context.signal);
      return { ...done, rollout: await show(reader, tenant, request.name, context) };
    },
    planRollout: async (request, context) => {
      const tenant = authorize(context, request.tenant, "operator");
      const document = await find(options, tenant, request.name, context.signal);
      const record = readRollout(document);
      const asked = Number(request.revision);
      if (asked !== 0 && asked !== document.revision) throw changedMeanwhile(record.name);
      if (record.progress.state === "draft") {
        const who = { actor: actorOf(context), reason: reasonOf(request.mutation) };
        const draft = { record, revision: document.revision, ...who };
        await makePlan(options, draft, context.signal);
      }
      return { rollout: await show(reader, tenant, request.name, context) };
    },
    approveRollout: (request, context) =>
      command(options, request, request.reject ? "reject" : "approve", context, request.planDigest),
    comparePlans: (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      const { name, other } = request;
      return comparePlans({ store: options.store, tenant, name, other, signal: context.signal });
    },
    startRollout: (request, context) =>
      command(options, request, "start", context, request.planDigest),
    pauseRollout: (request, context) => command(options, request, "pause", context),
    resumeRollout: (request, context) => command(options, request, "resume", context),
    stopRollout: (request, context) => command(options, request, "stop", context),
    rollbackRollout: async (request, context) => {
      const { rollout } = await command(options, request, "rollback", context);
      if (rollout.child === "") return { rollout };
      return { rollout, rollback: await show(reader, rollout.tenant, rollout.child, context) };
    },
    getRollout: async (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      return { rollout: await show(reader, tenant, request.name, context) };
    },
    listRollouts: async (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      const limit = pageSizeOf(request.pageSize);
      const documents = await options.store.listDocuments("rollout", {
        prefix: `${tenant}/`,
        ...(request.pageToken === "" ? {} : { after: request.pageToken }),
        limit,
        signal: context.signal,
      });
      const show = (document: StoredDocument): Promise<Rollout> =>
        reader.show(document, context.signal);
      const last = documents.length === limit ? documents.at(-1) : undefined;
      return { rollouts: await mapInTurns(documents, show), nextPageToken: last?.key ?? "" };
    },
    watchRollout: async function* (request, context) {
      const tenant = authorize(context, request.tenant, "viewer");
      yield* watch(options, rolloutKey(tenant, request.name), request.name, context.signal);
    },
  };
}

async function* watch(
  options: RolloutsOptions,
  key: string,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<{ rollout: Rollout }> {
  while (!signal.aborted) {
    const version = options.watchers.versionOf(key);
    const document = await options.store.getDocument("rollout", key, { signal });
    if (document === null) throw notFound(name);
    yield { rollout: await options.reader.show(document, signal) };
    if (isEnded(readRollout(document).progress.state)) return;
    await options.watchers.wait(key, version, signal);
    // When the signal ends the wait, the loop ends too.
    await delay(options.clock, WATCH_INTERVAL_MS, signal).catch(() => undefined);
  }
}

async function apply(
  options: RolloutsOptions,
  tenant: string,
  name: string,
  spec: RolloutSpec,
  who: { actor: string; reason: string },
  signal: AbortSignal,
): Promise<{ created: boolean; changed: boolean }> {
  const key = rolloutKey(tenant, name);
  const existing = await options.store.getDocument("rollout", key, { signal });
  if (existing === null) {
    await create(options, tenant, name, spec, who, signal);
    return { created: true, changed: true };
  }
  const record = readRollout(existing);
  if (isDeepStrictEqual(record.spec, spec)) return { created: false, changed: false };
  if (record.progress.state !== "draft") {
    throw new MusterError({
      code: "failed_precondition",
      message: `rollout ${name} is ${record.progress.state}: its plan is frozen and cannot change`,
      detail: { field: "metadata.name", hint: "give the changed rollout a new name" },
    });
  }
  const value = toJson({ ...record, spec });
  const result = await options.store.commit(
    {
      documents: [{ kind: "rollout", key, expectedRevision: existing.revision, value }],
      audit: [auditOf(tenant, key, "rollout.change", who, spec)],
    },
    { signal },
  );
  if (!result.ok) throw changedMeanwhile(name);
  return { created: false, changed: true };
}

async function create(
  options: RolloutsOptions,
  tenant: string,
  name: string,
  spec: RolloutSpec,
  who: { actor: string; reason: string },
  signal: AbortSignal,
): Promise<void> {
  const { record, counter, audit } = await draftOf(options, tenant, name, spec, who, signal);
  const key = rolloutKey(tenant, name);
  const rollout = { kind: "rollout" as const, key, expectedRevision: 0, value: toJson(record) };
  const result = await options.store.commit({ documents: [counter, rollout], audit }, { signal });
  if (!result.ok) throw changedMeanwhile(name);
}

/** A rollout and its frozen plan, in one commit. */
async function createPlanned(
  options: RolloutsOptions,
  tenant: string,
  name: string,
  spec: RolloutSpec,
  who: { actor: string; reason: string },
  signal: AbortSignal,
): Promise<{ created: boolean; changed: boolean }> {
  const key = rolloutKey(tenant, name);
  if ((await options.store.getDocument("rollout", key, { signal })) !== null) {
    throw new MusterError({
      code: "already_exists",
      message: `there is a rollout ${name} already`,
      detail: { hint: "give the new one another name" },
    });
  }
  const { record, counter, audit } = await draftOf(options, tenant, name, spec, who, signal);
  const beside = { documents: [counter], audit };
  await makePlan(options, { record, revision: 0, ...who, beside }, signal);
  return { created: true, changed: true };
}

/** A new rollout as a draft, and what is stored with it. */
async function draftOf(
  options: RolloutsOptions,
  tenant: string,
  name: string,
  spec: RolloutSpec,
  who: { actor: string; reason: string },
  signal: AbortSignal,
): Promise<{ record: RolloutRecord; counter: DocumentWrite; audit: readonly AuditDraft[] }> {
  const { store, clock } = options;
  const counter = await store.getDocument("setting", "rollout-number", { signal });
  const number =
    (typeof counter?.value === "number" ? counter.value : 1 - NUMBER_STEP) + NUMBER_STEP;
  return {
    record: draftRecord({ number, tenant, name, spec, createdAtMs: clock.wallMs() }),
    counter: {
      kind: "setting",
      key: "rollout-number",
      expectedRevision: counter?.revision ?? 0,
      value: number,
    },
    audit: [auditOf(tenant, rolloutKey(tenant, name), "rollout.create", who, spec)],
  };
}

function auditOf(
  tenant: string,
  key: string,
  action: string,
  who: { actor: string; reason: string },
  spec: RolloutSpec,
): AuditDraft {
  const { release, selector, command } = spec;
  const subject = command === null ? { release } : { command: command as unknown as Json };
  return { tenant, ...who, action, subject: `rollout/${key}`, detail: { ...subject, selector } };
}

function checkNotReserved(name: string): void {
  if (!name.endsWith(ROLLBACK_SUFFIX)) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `rollout name ${JSON.stringify(name)} ends in ${ROLLBACK_SUFFIX}`,
    detail: { field: "metadata.name", hint: "such names are kept for the rollbacks of rollouts" },
  });
}

/** Hands a command to the loop and answers when it is stored. */
async function command(
  options: RolloutsOptions,
  request: { tenant: string; name: string; mutation?: { reason: string } | undefined },
  action: CommandAction,
  context: HandlerContext,
  planDigest = "",
): Promise<{ rollout: Rollout }> {
  const receivedAtMs = options.clock.monotonicMs();
  const tenant = authorize(context, request.tenant, "operator");
  const { name } = request;
  const document = await find(options, tenant, name, context.signal);
  if (readRollout(document).progress.state === "draft") {
    throw new MusterError({
      code: "failed_precondition",
      message: `cannot ${wordOf(action)} rollout ${name}: it is draft; it has no plan yet`,
      detail: { hint: `freeze its plan first: muster rollout plan ${name}` },
    });
  }
  await new Promise<RolloutRecord>((resolve, reject) => {
    options.inbox.put({
      kind: "command",
      tenant,
      name,
      action,
      planDigest,
      actor: actorOf(context),
      reason: reasonOf(request.mutation),
      receivedAtMs,
      resolve,
      reject,
    });
  });
  return { rollout: await show(options.reader, tenant, name, context) };
}

async function find(
  options: RolloutsOptions,
  tenant: string,
  name: string,
  signal: AbortSignal,
): Promise<StoredDocument> {
  const key = rolloutKey(tenant, name);
  const document = await options.store.getDocument("rollout", key, { signal });
  if (document !== null) return document;
  throw notFound(name);
}

async function show(
  reader: RolloutReader,
  tenant: string,
  name: string,
  context: HandlerContext,
): Promise<Rollout> {
  const rollout = await reader.read(rolloutKey(tenant, name), context.signal);
  if (rollout !== null) return rollout;
  throw notFound(name);
}

function notFound(name: string): MusterError {
  if (name === "") {
    const message = "the name of the rollout is missing";
    return new MusterError({ code: "invalid_argument", message, detail: { field: "name" } });
  }
  return new MusterError({
    code: "not_found",
    message: `there is no rollout ${name}`,
    detail: { hint: "see what there is: muster get rollouts" },
  });
}
