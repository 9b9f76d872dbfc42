// SPDX-License-Identifier: Apache-2.0
/** Message fields that the API promises, but whose type says that they may be unset. */
import { MusterError } from "../domain/errors.ts";

/** The field; throws `internal` when the center left it out. */
export function required<Value>(value: Value | undefined, name: string): Value {
  if (value !== undefined) return value;
  throw new MusterError({
    code: "internal",
    message: `the center's answer has no ${name}`,
    detail: { hint: "are center and command line of the same version? see `muster doctor`" },
  });
}
