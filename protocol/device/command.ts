// SPDX-License-Identifier: Apache-2.0
/** A command as the center stores it and as a device's offer carries it. */
import { z } from "zod";
import {
  BUILT_INS,
  MAX_COMMAND_BYTES,
  MAX_COMMAND_TIMEOUT_MS,
  MAX_OUTPUT_LIMIT_BYTES,
  type Command,
  type CommandWork,
} from "../../domain/subject.ts";

const text = z.string().max(MAX_COMMAND_BYTES);

const workSchema: z.ZodType<CommandWork> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("run"), run: z.array(text).min(1).max(MAX_COMMAND_BYTES) }),
  z.strictObject({ kind: z.literal("script"), script: text.min(1) }),
  z.strictObject({ kind: z.literal("built-in"), name: z.enum(BUILT_INS) }),
]);

export const commandSchema: z.ZodType<Command> = z.strictObject({
  work: workSchema,
  timeoutMs: z.int().min(1).max(MAX_COMMAND_TIMEOUT_MS),
  outputLimitBytes: z.int().min(0).max(MAX_OUTPUT_LIMIT_BYTES),
});
