// SPDX-License-Identifier: Apache-2.0
/** Amounts of a rollout's spec, from the wire and to it, and the error that names their field. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { MusterError } from "../../domain/errors.ts";
import type { Amount } from "../../domain/units.ts";
import type { AmountSchema, Amount as WireAmount } from "../../protocol/gen/muster/v1/deploy_pb.ts";

/** `fallback` when it is not set. */
export function optionalAmount(
  wire: WireAmount | undefined,
  field: string,
  fallback: Amount,
): Amount {
  return wire === undefined || wire.kind.case === undefined ? fallback : readAmount(wire, field);
}

export function readAmount(wire: WireAmount, field: string): Amount {
  const { kind } = wire;
  if (kind.case === "count" && kind.value >= 1) return { count: kind.value };
  if (kind.case === "percent" && kind.value > 0 && kind.value <= 100)
    return { percent: kind.value };
  throw invalid(field, "is neither a count of at least 1 nor a percentage above 0 and up to 100");
}

export function amountMessage(amount: Amount): MessageInitShape<typeof AmountSchema> {
  return "count" in amount
    ? { kind: { case: "count", value: amount.count } }
    : { kind: { case: "percent", value: amount.percent } };
}

export function invalid(field: string, problem: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `${field} ${problem}`,
    detail: { field },
  });
}
