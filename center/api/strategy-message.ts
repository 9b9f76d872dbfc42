// SPDX-License-Identifier: Apache-2.0
/** The strategy of a rollout on the wire: read with its defaults and checked, and shown. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RolloutSpec } from "../../domain/rollout.ts";
import { DEFAULT_ADAPTIVE, DEFAULT_EXPONENTIAL, type Strategy } from "../../domain/strategy.ts";
import {
  WaveOrder,
  type RolloutSpec as WireSpec,
  type RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { amountMessage, invalid, optionalAmount } from "./spec-fields.ts";

const MAX_FACTOR = 100;

/** Throws `invalid_argument` at the first field that is wrong. */
export function readStrategy(wire: WireSpec): Strategy {
  const kind = wire.strategy?.kind ?? { case: undefined };
  if (kind.case === "exponential") {
    const at = "spec.strategy.exponential";
    const { first, factor, cap } = kind.value;
    if (wire.waves.length > 0) {
      throw invalid("spec.waves", "is for fixed waves; the exponential strategy cuts its own");
    }
    if (factor !== 0 && !(factor >= 1 && factor <= MAX_FACTOR)) {
      throw invalid(`${at}.factor`, `${factor} is not between 1 and ${MAX_FACTOR}`);
    }
    return {
      kind: "exponential",
      first: optionalAmount(first, `${at}.first`, DEFAULT_EXPONENTIAL.first),
      factor: factor === 0 ? DEFAULT_EXPONENTIAL.factor : factor,
      cap: optionalAmount(cap, `${at}.cap`, DEFAULT_EXPONENTIAL.cap),
    };
  }
  if (kind.case === "adaptive") {
    const at = "spec.strategy.adaptive";
    const { first, min, max } = kind.value;
    return {
      kind: "adaptive",
      first: optionalAmount(first, `${at}.first`, DEFAULT_ADAPTIVE.first),
      min: optionalAmount(min, `${at}.min`, DEFAULT_ADAPTIVE.min),
      max: optionalAmount(max, `${at}.max`, DEFAULT_ADAPTIVE.max),
    };
  }
  return { kind: "fixed" };
}

type SpecInit = MessageInitShape<typeof RolloutSpecSchema>;

export function strategyMessage(spec: RolloutSpec): Pick<SpecInit, "strategy" | "order"> {
  return {
    ...kindMessage(spec.strategy),
    order: spec.order === "hash" ? WaveOrder.HASH : WaveOrder.CRITICAL_LAST,
  };
}

function kindMessage(strategy: Strategy): Pick<SpecInit, "strategy"> {
  switch (strategy.kind) {
    case "exponential": {
      const { factor } = strategy;
      const first = amountMessage(strategy.first);
      const value = { first, factor, cap: amountMessage(strategy.cap) };
      return { strategy: { kind: { case: "exponential", value } } };
    }
    case "adaptive": {
      const value = {
        first: amountMessage(strategy.first),
        min: amountMessage(strategy.min),
        max: amountMessage(strategy.max),
      };
      return { strategy: { kind: { case: "adaptive", value } } };
    }
    default:
      return {};
  }
}
