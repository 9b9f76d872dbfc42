// SPDX-License-Identifier: Apache-2.0
/**
 * The fields that a schema allows at a place, for "did you mean": read from the zod schema itself,
 * so that it cannot differ from what is accepted.
 */
import type { z } from "zod";
import type { FieldPath } from "./yaml-source.ts";

/** The parts of a zod definition that lead further in. */
interface Definition {
  readonly type: string;
  readonly shape?: { readonly [name: string]: z.core.$ZodType };
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly out?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly values?: readonly unknown[];
}

/** Fields allowed in the mapping at `path`; of a union, those of the kinds that may be meant. */
export function knownFields(schema: z.core.$ZodType, path: FieldPath, value: unknown): string[] {
  const schemas = schemasAt(schema, path, value);
  return [...new Set(schemas.flatMap((found) => Object.keys(definition(found).shape ?? {})))];
}

/** The values that `kind` may have in the mapping at `path`. */
export function knownKinds(schema: z.core.$ZodType, path: FieldPath, value: unknown): string[] {
  return schemasAt(schema, path, value).flatMap((found) => kindsOf(found).map(String));
}

function schemasAt(
  schema: z.core.$ZodType,
  path: FieldPath,
  value: unknown,
): readonly z.core.$ZodType[] {
  let schemas = unwrap(schema, value);
  let current = value;
  for (const step of path) {
    current = (current as { [key: string]: unknown } | undefined)?.[step];
    schemas = schemas.flatMap((candidate) => {
      const { shape, element } = definition(candidate);
      const next = typeof step === "number" ? element : shape?.[step];
      return next === undefined ? [] : unwrap(next, current);
    });
  }
  return schemas;
}

/** Through optional, default and transform, and into the options of a union. */
function unwrap(schema: z.core.$ZodType, value: unknown): z.core.$ZodType[] {
  const { innerType, in: input, out: output, options } = definition(schema);
  if (innerType !== undefined) return unwrap(innerType, value);
  if (input !== undefined) {
    // Of a preprocessed field the fields are those of what comes out.
    const isPreprocessed = definition(input).type === "transform" && output !== undefined;
    return unwrap(isPreprocessed ? output : input, value);
  }
  if (options === undefined) return [schema];
  const fitting = options.filter((option) => fitsKind(option, value));
  return (fitting.length > 0 ? fitting : options).flatMap((option) => unwrap(option, value));
}

/** Whether a union's option has the `kind` that the value names. */
function fitsKind(option: z.core.$ZodType, value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  return kindsOf(option).includes(value.kind);
}

function kindsOf(option: z.core.$ZodType): readonly unknown[] {
  const kind = definition(option).shape?.["kind"];
  return kind === undefined ? [] : (definition(kind).values ?? []);
}

function definition(schema: z.core.$ZodType): Definition {
  return schema._zod.def;
}
