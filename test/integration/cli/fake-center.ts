// SPDX-License-Identifier: Apache-2.0
/**
 * A center as the command line sees it: DeployService over Connect on a port of its own, answering
 * what a test tells it to, remembering what it was asked.
 */
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  DeployService,
  ErrorInfoSchema,
  RolloutSchema,
  RolloutState,
  type Rollout,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { listen } from "../../../runtime/listen.ts";

export type Answers = Partial<ServiceImpl<typeof DeployService>>;

export interface FakeCenter extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** `authorization` headers, in the order of the calls. */
  readonly authorizations: readonly (string | null)[];
  /** Options of `runMuster` that lead to it. */
  readonly environment: { readonly [name: string]: string };
}

/** The token that the fake center takes. */
export const TOKEN = "muster-operator.test";

/** `tls`: its key and certificate, else it speaks plain HTTP. */
export async function startFakeCenter(
  answers: Answers,
  port = 0,
  tls?: { readonly key: string; readonly cert: string },
): Promise<FakeCenter> {
  const authorizations: (string | null)[] = [];
  const adapter = connectNodeAdapter({
    interceptors: [
      (next) => (request) => {
        authorizations.push(request.header.get("authorization"));
        if (request.header.get("authorization") === `Bearer ${TOKEN}`) return next(request);
        throw refusal({ code: "unauthenticated", message: "the token is not known" });
      },
    ],
    routes: (router) => {
      router.service(DeployService, answers);
    },
  });
  const server = tls === undefined ? createServer(adapter) : createTlsServer(tls, adapter);
  const bound = await listen(server, { what: "the fake center", host: "127.0.0.1", port });
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${bound}`;
  return {
    url,
    port: bound,
    authorizations,
    environment: { MUSTER_SERVER: url, MUSTER_TOKEN: TOKEN },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const CONNECT_CODES: { readonly [code: string]: Code } = {
  unauthenticated: Code.Unauthenticated,
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  conflict: Code.Aborted,
  failed_precondition: Code.FailedPrecondition,
  untrusted: Code.FailedPrecondition,
};

/** A refusal as the center sends it. */
export function refusal(
  info: MessageInitShape<typeof ErrorInfoSchema> & { code: string; message: string },
): ConnectError {
  const { message, ...value } = info;
  return new ConnectError(message, CONNECT_CODES[info.code] ?? Code.Internal, undefined, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, value) },
  ]);
}

/** A running rollout of ten devices; `changes` replaces what the test is about. */
export function sampleRollout(changes: Partial<Rollout> = {}): Rollout {
  const rollout = create(RolloutSchema, {
    tenant: "default",
    name: "shop-1.4",
    number: 7,
    revision: 3n,
    state: RolloutState.RUNNING,
    stateReason: "wave 1 is under way",
    spec: {
      release: "shop@1.4.0",
      selector: "region = eu",
      waves: [{ kind: { case: "count", value: 2 } }],
      gate: { maxFailures: { kind: { case: "count", value: 3 } }, minSuccessPercent: 95 },
      soakMs: 30_000n,
    },
    plan: {
      digest: "4f".repeat(32),
      deviceCount: 10,
      waves: [
        {
          number: 1,
          deviceCount: 2,
          devicesDigest: "aa".repeat(32),
          sample: ["till-1", "till-2"],
          expectedEndMs: 60_000n,
        },
        {
          number: 2,
          deviceCount: 8,
          devicesDigest: "bb".repeat(32),
          sample: ["till-3"],
          expectedStartMs: 60_000n,
          expectedEndMs: 90_000n,
        },
      ],
      exclusions: [{ reason: "retired", deviceCount: 1, sample: ["till-99"] }],
      blastRadiusBound: 2,
      maxInFlight: 2,
      downloadBytes: 20_480n,
      expectedDurationMs: 90_000n,
    },
    progress: {
      byState: { pending: 8, downloading: 1, succeeded: 1 },
      wave: 1,
      exposed: 2,
      unproven: 1,
      maxUnproven: 2,
      accepted: 2,
      inFlight: 1,
      waves: [
        { number: 1, byState: { downloading: 1, succeeded: 1 } },
        { number: 2, byState: { pending: 8 } },
      ],
    },
    createdAtMs: 1_767_225_600_000n,
    startedAtMs: 1_767_225_660_000n,
  });
  return Object.assign(rollout, changes);
}
