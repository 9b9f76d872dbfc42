// SPDX-License-Identifier: Apache-2.0
/** Field types that documents share. Each says in its own words what it wants. */
import { valid as validVersion } from "semver";
import { z } from "zod";
import { parseInstant } from "../../domain/civil-time.ts";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { checkName, checkTenant } from "../../domain/identity.ts";
import { sliceFact } from "../../domain/slices.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { floorIn } from "../../domain/version-path.ts";
import { parseAmount, parseDurationMs, type Amount } from "../../domain/units.ts";
import type { CheckFacts } from "./document-errors.ts";

/** Text for which `check` throws nothing. */
export function checkedText(check: (text: string) => void): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    attempt(context, () => check(text));
  });
}

/** Text or number that `parse` turns into a value. */
export function parsed<Value>(parse: (text: string) => Value): z.ZodType<Value> {
  return z.unknown().transform((input, context) => {
    if (typeof input !== "string" && typeof input !== "number") {
      const message = input === null ? "this field is empty" : "must be text, as in an example";
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
    const result = attempt(context, () => parse(String(input)));
    return result === null ? z.NEVER : result.value;
  });
}

/** Runs a domain check; what it throws becomes an issue with its hint and inner position. */
function attempt<Value>(
  context: z.core.$RefinementCtx,
  run: () => Value,
): { readonly value: Value } | null {
  try {
    return { value: run() };
  } catch (error) {
    if (!isMusterError(error)) throw error;
    const { hint, line, column } = error.detail;
    const inner = column === undefined ? undefined : { line: line ?? 1, column };
    const params: CheckFacts = { hint, inner };
    context.addIssue({ code: "custom", message: error.message, params: { ...params } });
    return null;
  }
}

export const tenantField: z.ZodType<string> = checkedText((text) => checkTenant(text, ""));

/** A name of a rollout, release, region or site; `what` is the word for it. */
export function nameField(what: string): z.ZodType<string> {
  return checkedText((text) => checkName(text, what, ""));
}

/** A fact that a gate's slices are cut by. */
export const sliceField: z.ZodType<string> = checkedText(
  (text) => void sliceFact(text, () => undefined, ""),
);

export const selectorField: z.ZodType<string> = checkedText((text) => void parseSelector(text));

export const amountField: z.ZodType<Amount> = parsed((text) => parseAmount(text, ""));

/** What is left over, as a wave. */
export const REST_WAVE = "rest";

/** The size of a wave: an amount, or `rest`. */
export const waveField: z.ZodType<Amount | typeof REST_WAVE> = parsed((text) =>
  text === REST_WAVE ? REST_WAVE : parseAmount(text, ""),
);

/** Milliseconds, above 0: the API reads 0 as "the default". */
export const durationField: z.ZodType<number> = parsed((text) => {
  const durationMs = parseDurationMs(text, "");
  if (durationMs > 0) return durationMs;
  throw new MusterError({ code: "invalid_argument", message: "must be longer than 0s" });
});

/** `2026-12-01T22:00:00+01:00`, as milliseconds since 1970. */
export const instantField: z.ZodType<number> = parsed((text) => parseInstant(text, ""));

/** `95%`, above 0 for the same reason. */
export const percentField: z.ZodType<number> = parsed((text) => {
  const amount = text.trim().endsWith("%") ? parseAmount(text, "") : null;
  if (amount !== null && "percent" in amount && amount.percent > 0) return amount.percent;
  throw new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(text)} is not a percentage like 95%`,
  });
});

const semanticVersion = z.string().superRefine((text, context) => {
  if (text.length <= 128 && validVersion(text) === text.replace(/\+.*$/, "")) return;
  context.addIssue({
    code: "custom",
    message: versionSentence(text),
    params: { hint: VERSION_HINT },
  });
});

/** A semantic version, written in full. To YAML `1.2` is a number: quotes would not help it. */
export const versionField: z.ZodType<string> = z.preprocess(
  (input) => (typeof input === "number" ? String(input) : input),
  semanticVersion,
);

/** `>=2.0.0`: the lowest version from which a release can be installed. */
export const floorField: z.ZodType<string> = z.string().superRefine((text, context) => {
  const floor = floorIn(text);
  if (floor !== null && validVersion(floor) === floor) return;
  const message = `${JSON.stringify(text.slice(0, 140))} is no lowest version`;
  context.addIssue({ code: "custom", message, params: { hint: 'write it as in ">=2.0.0"' } });
});

const VERSION_HINT = "write three numbers, as in 1.4.0 or 1.4.0-rc.1 (semver.org)";

function versionSentence(text: string): string {
  return `${JSON.stringify(text.slice(0, 140))} is not a semantic version`;
}

/** `name@version`. */
export const releaseField: z.ZodType<string> = z.string().superRefine((text, context) => {
  const at = text.indexOf("@");
  if (at < 1) {
    const message = `${JSON.stringify(text.slice(0, 140))} is not a release like shop@1.4.0`;
    context.addIssue({ code: "custom", message });
    return;
  }
  if (attempt(context, () => checkName(text.slice(0, at), "release", "")) === null) return;
  const version = text.slice(at + 1);
  if (validVersion(version) !== null && !/^[v=\s]/.test(version)) return;
  context.addIssue({
    code: "custom",
    message: versionSentence(version),
    params: { hint: VERSION_HINT, inner: { line: 1, column: at + 2 } },
  });
});
