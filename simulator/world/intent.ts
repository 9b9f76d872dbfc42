// SPDX-License-Identifier: Apache-2.0
/** What the operator of a simulated world wants of one rollout, drawn before it is applied. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Random } from "../../ports/random.ts";
import {
  OnStop,
  type AmountSchema,
  type RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";

export type Action = "pause" | "resume" | "stop" | "rollback";

type Spec = Exclude<MessageInitShape<typeof RolloutSpecSchema>, { readonly $typeName: string }>;

export interface Intent {
  readonly spec: Spec;
  /** In order; `afterMs` counts from the start of the rollout. */
  readonly actions: readonly { readonly action: Action; readonly afterMs: number }[];
  /** What to do when the rollout has paused by itself. */
  readonly whenPaused: "resume" | "stop" | "rollback";
}

const MINUTE_MS = 60_000;

export function drawIntent(release: string, random: Random): Intent {
  const pick = <Choice>(choices: readonly Choice[]): Choice =>
    choices[Math.floor(random.next() * choices.length)] as Choice;
  const shape = pick<Pick<Spec, "waves" | "strategy">>([
    { waves: [percent(10), percent(40)] },
    { waves: [count(1), percent(50)] },
    { strategy: { kind: exponential(pick([1, 5]), pick([2, 4])) } },
    { strategy: { kind: adaptive(pick([2, 8])) } },
  ]);
  return {
    spec: {
      release,
      ...shape,
      maxInFlight: percent(pick([10, 20, 50])),
      blastRadius: percent(pick([20, 40, 100])),
      gate: { maxFailures: pick([count(1), count(3), percent(30)]) },
      soakMs: BigInt(pick([60_000, 300_000])),
      onStop: pick([OnStop.ROLLBACK, OnStop.ROLLBACK, OnStop.PAUSE]),
      deadlines: {
        reachMs: BigInt(pick([5, 15]) * MINUTE_MS),
        downloadMs: BigInt(20 * MINUTE_MS),
        installMs: BigInt(15 * MINUTE_MS),
        verifyMs: BigInt(15 * MINUTE_MS),
      },
      ...pick([{}, {}, { maxInFlightPerGateway: 3 }]),
    },
    actions: drawActions(random, pick),
    whenPaused: pick(["resume", "stop", "rollback"]),
  };
}

function drawActions(
  random: Random,
  pick: <Choice>(choices: readonly Choice[]) => Choice,
): Intent["actions"] {
  const afterMs = random.next() * 10 * MINUTE_MS;
  // Longer than an offer lives and many a soak lasts: whatever would go on meanwhile does so.
  const pausedMs = (2 + random.next() * 10) * MINUTE_MS;
  const resumed = { action: "resume", afterMs: afterMs + pausedMs } as const;
  return pick<Intent["actions"]>([
    [],
    [],
    [{ action: "stop", afterMs }],
    [{ action: "rollback", afterMs }],
    [{ action: "pause", afterMs }, resumed],
    [
      { action: "pause", afterMs },
      { ...resumed, action: "stop" },
    ],
  ]);
}

type Amount = MessageInitShape<typeof AmountSchema>;

function percent(value: number): Amount {
  return { kind: { case: "percent", value } };
}

function count(value: number): Amount {
  return { kind: { case: "count", value } };
}

function exponential(first: number, factor: number) {
  const value = { first: count(first), factor, cap: percent(50) };
  return { case: "exponential", value } as const;
}

function adaptive(first: number) {
  return { case: "adaptive", value: { first: count(first), max: percent(50) } } as const;
}
