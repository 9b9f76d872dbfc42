// SPDX-License-Identifier: Apache-2.0
/**
 * Whether a value holds to a JSON Schema (2020-12 or draft 7), with each fault as a path and a
 * sentence. The validator is loaded when a configuration names a schema, and not before.
 *
 * A schema that uses what is not known is refused rather than half obeyed: unknown keywords,
 * references to other files. `format` is a remark, as the specification has it.
 */
import { MusterError } from "../../domain/errors.ts";
import type { FieldPath } from "../documents/yaml-source.ts";

export interface SchemaFault {
  readonly path: FieldPath;
  /** "must be integer". */
  readonly message: string;
}

/** What a compiled validator says of one fault. */
interface Fault {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: { readonly [name: string]: unknown };
  readonly message?: string | undefined;
}

const DRAFT_7 = "http://json-schema.org/draft-07/schema";
const OPTIONS = {
  allErrors: true,
  validateFormats: false,
  strict: true,
  strictTypes: false,
  strictRequired: false,
  strictTuples: false,
};

/** Throws `invalid_argument` for a schema that cannot be used; `file` is its name. */
export async function findFaults(
  schema: unknown,
  value: unknown,
  file: string,
): Promise<SchemaFault[]> {
  const validate = await compile(schema, file);
  if (validate(value)) return [];
  const faults: readonly Fault[] = validate.errors ?? [];
  return faults.map((fault) => ({ path: pathOf(fault, value), message: sentenceOf(fault) }));
}

async function compile(schema: unknown, file: string) {
  const isSchema = typeof schema === "boolean" || (typeof schema === "object" && schema !== null);
  if (!isSchema || Array.isArray(schema)) throw unusable(file, "it is no mapping");
  const name = typeof schema === "object" && "$schema" in schema ? String(schema.$schema) : "";
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  const { Ajv } = await import("ajv");
  try {
    const ajv = name.startsWith(DRAFT_7) ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS);
    return ajv.compile(schema as object);
  } catch (cause) {
    throw unusable(file, cause instanceof Error ? cause.message : String(cause));
  }
}

/** JSON Pointer (RFC 6901) as a path: numbers where the value has a list. */
function pathOf({ instancePath }: Fault, value: unknown): FieldPath {
  const path: (string | number)[] = [];
  let inner: unknown = value;
  for (const part of instancePath.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(inner) ? Number(key) : key);
    inner = (inner as { readonly [key: string]: unknown })[key];
  }
  return path;
}

function sentenceOf({ keyword, params, message = "does not hold to the schema" }: Fault): string {
  const { allowedValues, additionalProperty, missingProperty } = params;
  if (keyword === "enum" && Array.isArray(allowedValues)) {
    return `must be one of ${allowedValues.map((allowed) => JSON.stringify(allowed)).join(", ")}`;
  }
  if (keyword === "additionalProperties")
    return `unknown field ${JSON.stringify(additionalProperty)}`;
  if (keyword === "required") return `the field ${JSON.stringify(missingProperty)} is missing`;
  return message;
}

function unusable(file: string, why: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `this is no JSON Schema that can be used: ${why}`,
    detail: { file, hint: "write one of draft 2020-12 or 7, whole in this file" },
  });
}
