// SPDX-License-Identifier: Apache-2.0
/** `spec.rollback` from the wire, checked, and back. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { DEFAULT_SPEC, type RollbackPolicy } from "../../domain/rollout.ts";
import { MAX_WAVES } from "../../domain/waves.ts";
import type {
  RollbackSchema,
  RolloutSpec as WireSpec,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { amountMessage, invalid, optionalAmount, readAmount } from "./spec-fields.ts";

/** Throws `invalid_argument` at the first field that is wrong. */
export function readRollback({ rollback }: WireSpec): RollbackPolicy {
  const { waves = [], minSuccessPercent = 0 } = rollback ?? {};
  if (waves.length > MAX_WAVES) {
    throw invalid("spec.rollback.waves", `has more than ${MAX_WAVES} waves`);
  }
  if (!(minSuccessPercent >= 0 && minSuccessPercent <= 100)) {
    throw invalid("spec.rollback.minSuccess", `${minSuccessPercent} is not between 0 and 100 %`);
  }
  return {
    waves: waves.map((wave, index) => readAmount(wave, `spec.rollback.waves[${index}]`)),
    maxInFlight: optionalAmount(
      rollback?.maxInFlight,
      "spec.rollback.maxInFlight",
      DEFAULT_SPEC.rollback.maxInFlight,
    ),
    minSuccessPercent,
  };
}

export function rollbackMessage(policy: RollbackPolicy): MessageInitShape<typeof RollbackSchema> {
  return {
    waves: policy.waves.map(amountMessage),
    maxInFlight: amountMessage(policy.maxInFlight),
    minSuccessPercent: policy.minSuccessPercent,
  };
}
