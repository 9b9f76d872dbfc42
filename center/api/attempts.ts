// SPDX-License-Identifier: Apache-2.0
/** DeployService: the attempts of a rollout, a page at a time, in order of position. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import { ATTEMPT_STATES, CELL_REASONS } from "../../domain/attempt.ts";
import { MusterError } from "../../domain/errors.ts";
import { needsEvidence } from "../../domain/subject.ts";
import type { Store } from "../../ports/store.ts";
import type { AttemptSchema, DeployService } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { mapInTurns } from "../../runtime/map-in-turns.ts";
import { readOutput, type AttemptOutput } from "../rollouts/command-outputs.ts";
import { loadRollout, type LoadOptions } from "../rollouts/loop-state.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { readRollout, rolloutKey } from "../rollouts/rollout-record.ts";
import { authorize, pageSizeOf } from "./call.ts";

export interface AttemptsOptions {
  readonly store: Store;
  readonly openRollout: (rolloutNumber: number) => OpenRollout | undefined;
  readonly load: Omit<LoadOptions, "signal">;
}

/** Two MiB of output at most, of which a message holds four. */
const MAX_OUTPUTS_A_PAGE = 32;
const storedDetail = z.object({ text: z.string() });

export function attemptMethods(
  options: AttemptsOptions,
): Pick<ServiceImpl<typeof DeployService>, "listAttempts"> {
  return {
    listAttempts: async (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      const rollout = await find(options, tenant, request.rollout, context.signal);
      const { withOutput } = request;
      const size = pageSizeOf(request.pageSize);
      const limit = withOutput ? Math.min(size, MAX_OUTPUTS_A_PAGE) : size;
      const wanted = ATTEMPT_STATES.findIndex((state) => state === request.state);
      if (request.state !== "" && wanted === -1) throw unknownState(request.state);
      const positions: number[] = [];
      let position = request.pageToken === "" ? 0 : Number(request.pageToken);
      for (; position < rollout.ordinals.length && positions.length < limit; position++) {
        if (wanted === -1 || rollout.stateAt(position) === wanted) positions.push(position);
      }
      const attempts = await mapInTurns(positions, (at) =>
        attemptMessage(options.store, rollout, { position: at, withOutput }, context.signal),
      );
      const nextPageToken = position < rollout.ordinals.length ? String(position) : "";
      return { attempts, nextPageToken };
    },
  };
}

async function find(
  options: AttemptsOptions,
  tenant: string,
  name: string,
  signal: AbortSignal,
): Promise<OpenRollout> {
  const key = rolloutKey(tenant, name);
  const document = await options.store.getDocument("rollout", key, { signal });
  if (document === null) {
    throw new MusterError({
      code: "not_found",
      message: `there is no rollout ${name}`,
      detail: { hint: "see what there is: muster get rollouts" },
    });
  }
  const record = readRollout(document);
  if (record.progress.state === "draft") {
    throw new MusterError({
      code: "failed_precondition",
      message: `rollout ${name} is draft: it has no attempts before it is planned`,
      detail: { hint: `freeze its plan first: muster rollout plan ${name}` },
    });
  }
  const open = options.openRollout(record.number);
  return open ?? loadRollout({ ...options.load, signal }, record, document.revision);
}

async function attemptMessage(
  store: Store,
  rollout: OpenRollout,
  { position, withOutput }: { position: number; withOutput: boolean },
  signal: AbortSignal,
): Promise<MessageInitShape<typeof AttemptSchema>> {
  const { page, index } = rollout.cell(position);
  const device = await store.getDeviceByOrdinal(rollout.ordinalAt(position), { signal });
  const generation = page.generation[index] ?? 0;
  const { number, spec } = rollout.record;
  const output = needsEvidence(spec)
    ? null
    : await readOutput(store, number, { position, generation }, signal);
  const reason = CELL_REASONS[page.reason[index] ?? 0] ?? "";
  return {
    device: device?.id ?? "",
    position,
    wave: rollout.waveAt(position) + 1,
    state: ATTEMPT_STATES[page.state[index] ?? 0] ?? "pending",
    generation,
    reason,
    detail: reason === "" ? "" : await detailOf(store, rollout, position, generation, signal),
    ...(output === null ? {} : outputFields(output, withOutput)),
  };
}

function outputFields(
  { text, exitCode, outputBytes }: AttemptOutput,
  withOutput: boolean,
): MessageInitShape<typeof AttemptSchema> {
  return {
    ...(exitCode === null ? {} : { exitCode }),
    outputBytes: BigInt(outputBytes),
    output: withOutput ? text : "",
  };
}

/** What the device said last under this generation; "" when it said nothing or it was not kept. */
async function detailOf(
  store: Store,
  rollout: OpenRollout,
  position: number,
  generation: number,
  signal: AbortSignal,
): Promise<string> {
  const prefix = `${rollout.record.number}/${position}/${generation}/`;
  const documents = await store.listDocuments("attempt-detail", { prefix, limit: 100, signal });
  const last = documents.at(-1);
  return last === undefined ? "" : storedDetail.parse(last.value).text;
}

function unknownState(state: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(state)} is no state of an attempt`,
    detail: { field: "state", hint: `one of: ${ATTEMPT_STATES.join(", ")}` },
  });
}
