// SPDX-License-Identifier: Apache-2.0
/**
 * `strategy: fixed`, `{ exponential: { first: 10, factor: 2, cap: 10% } }` or
 * `{ adaptive: { first: 10, min: 1, max: 10% } }`; what is left out has the center's default.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import type { JoinPolicy as Joiners, LeavePolicy as Leavers } from "../../domain/membership.ts";
import type { WaveOrder as Order } from "../../domain/rollout.ts";
import type { Amount } from "../../domain/units.ts";
import {
  JoinPolicy,
  LeavePolicy,
  WaveOrder,
  type RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { amountField } from "./field-types.ts";

export interface StrategyFields {
  readonly exponential?:
    | {
        readonly first?: Amount | undefined;
        readonly factor?: number | undefined;
        readonly cap?: Amount | undefined;
      }
    | undefined;
  readonly adaptive?:
    | {
        readonly first?: Amount | undefined;
        readonly min?: Amount | undefined;
        readonly max?: Amount | undefined;
      }
    | undefined;
}

const strategies = z
  .strictObject({
    exponential: z
      .strictObject({
        first: amountField.optional(),
        factor: z.number().min(1).max(100).optional(),
        cap: amountField.optional(),
      })
      .optional(),
    adaptive: z
      .strictObject({
        first: amountField.optional(),
        min: amountField.optional(),
        max: amountField.optional(),
      })
      .optional(),
  })
  .superRefine(({ exponential, adaptive }, context) => {
    if (exponential === undefined || adaptive === undefined) return;
    context.addIssue({ code: "custom", message: "has two strategies; a rollout has one" });
  });

/** `fixed` is what a rollout without a strategy has. */
export const strategyField: z.ZodType<StrategyFields> = z.preprocess(
  (input) => (input === "fixed" ? {} : input),
  strategies,
);

type SpecInit = MessageInitShape<typeof RolloutSpecSchema>;

export function toStrategy(fields: StrategyFields = {}): Pick<SpecInit, "strategy"> {
  const { exponential, adaptive } = fields;
  if (exponential !== undefined) {
    const { first, factor = 0, cap } = exponential;
    const value = { ...optional("first", first), factor, ...optional("cap", cap) };
    return { strategy: { kind: { case: "exponential", value } } };
  }
  if (adaptive === undefined) return {};
  const { first, min, max } = adaptive;
  const value = { ...optional("first", first), ...optional("min", min), ...optional("max", max) };
  return { strategy: { kind: { case: "adaptive", value } } };
}

const WIRE_ORDER: { readonly [order in Order]: WaveOrder } = {
  "critical-last": WaveOrder.CRITICAL_LAST,
  hash: WaveOrder.HASH,
};

export function toWaveOrder(order: Order | undefined): WaveOrder {
  return order === undefined ? WaveOrder.UNSPECIFIED : WIRE_ORDER[order];
}

const WIRE_JOINERS: { readonly [policy in Joiners]: JoinPolicy } = {
  never: JoinPolicy.NEVER,
  "next-wave": JoinPolicy.NEXT_WAVE,
  tail: JoinPolicy.TAIL,
};

export function toJoinPolicy(policy: Joiners | undefined): JoinPolicy {
  return policy === undefined ? JoinPolicy.UNSPECIFIED : WIRE_JOINERS[policy];
}

export function toLeavePolicy(policy: Leavers | undefined): LeavePolicy {
  if (policy === undefined) return LeavePolicy.UNSPECIFIED;
  return policy === "keep" ? LeavePolicy.KEEP : LeavePolicy.WITHDRAW;
}

type AmountInit = { kind: { case: "count" | "percent"; value: number } };

function optional<Name extends string>(
  name: Name,
  amount: Amount | undefined,
): { [name in Name]?: AmountInit } {
  if (amount === undefined) return {};
  return { [name]: toAmount(amount) } as { [name in Name]?: AmountInit };
}

export function toAmount(amount: Amount): AmountInit {
  return "count" in amount
    ? { kind: { case: "count", value: amount.count } }
    : { kind: { case: "percent", value: amount.percent } };
}
