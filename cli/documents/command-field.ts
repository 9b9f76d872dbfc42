// SPDX-License-Identifier: Apache-2.0
/**
 * `command: { run: [df, -h], timeout: 1m, outputLimit: 64KiB }`; instead of `run`, `script: TEXT`
 * or `builtIn: reboot`. What is left out has the center's default.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import { BUILT_INS, type BuiltIn } from "../../domain/subject.ts";
import type { CommandSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { durationField, parsed } from "./field-types.ts";

export interface CommandFields {
  readonly run?: readonly string[] | undefined;
  readonly script?: string | undefined;
  readonly builtIn?: BuiltIn | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  /** Bytes. */
  readonly outputLimit?: number | undefined;
}

const UNITS: { readonly [unit: string]: number } = { "": 1, B: 1, KiB: 1_024 };

/** `64KiB` or `2000` (bytes), above 0; throws `invalid_argument`. */
export function parseByteCount(text: string): number {
  const match = /^(\d{1,9}) ?(B|KiB|)$/.exec(text.trim());
  const byteCount = Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? 1);
  if (byteCount > 0) return byteCount;
  throw new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(text.slice(0, 40))} is not a number of bytes like 64KiB or 2000`,
  });
}

export const commandField: z.ZodType<CommandFields> = z.strictObject({
  run: z.array(z.string()).min(1).optional(),
  script: z.string().min(1).optional(),
  builtIn: z.enum(BUILT_INS).optional(),
  timeout: durationField.optional(),
  outputLimit: parsed(parseByteCount).optional(),
});

export function toCommand(fields: CommandFields): MessageInitShape<typeof CommandSchema> {
  return {
    run: [...(fields.run ?? [])],
    script: fields.script ?? "",
    builtIn: fields.builtIn ?? "",
    timeoutMs: BigInt(fields.timeout ?? 0),
    outputLimitBytes: fields.outputLimit ?? 0,
  };
}
