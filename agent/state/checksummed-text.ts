// SPDX-License-Identifier: Apache-2.0
/**
 * The form of every small state file of the agent: one line that names the schema and the SHA-256
 * of the rest, then JSON. A file that was cut short, mixed up or edited by hand does not read back:
 * a wrong answer is worse than none.
 */
import { createHash } from "node:crypto";
import type { z } from "zod";

/** `corrupt` carries a sentence for the log. */
export type ReadResult<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "corrupt"; readonly why: string };

export function writeChecksummed(schemaName: string, value: unknown): string {
  const body = `${JSON.stringify(value, null, 1)}\n`;
  return `${schemaName} sha256:${sha256(body)}\n${body}`;
}

export function readChecksummed<T>(options: {
  schemaName: string;
  schema: z.ZodType<T>;
  text: string;
}): ReadResult<T> {
  const lineEnd = options.text.indexOf("\n");
  const head = options.text.slice(0, lineEnd === -1 ? 0 : lineEnd);
  const body = options.text.slice(lineEnd + 1);
  const prefix = `${options.schemaName} sha256:`;
  if (!head.startsWith(prefix)) return corrupt(`the first line does not start with "${prefix}"`);
  if (head.slice(prefix.length) !== sha256(body)) return corrupt("the checksum does not match");
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return corrupt("the body is not JSON");
  }
  const parsed = options.schema.safeParse(json);
  if (parsed.success) return { kind: "ok", value: parsed.data };
  const issue = parsed.error.issues[0];
  return corrupt(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "wrong shape"}`);
}

function corrupt(why: string): ReadResult<never> {
  return { kind: "corrupt", why };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
