// SPDX-License-Identifier: Apache-2.0
/**
 * What a configuration brings to devices, read and checked before anything is sent: JSON or YAML,
 * at most 1 MiB, and holding to its schema where it names one. A file is kept as it is, byte by
 * byte; a document within becomes JSON.
 */
import { basename, dirname, extname, isAbsolute, join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { ConfigurationDocument } from "../documents/configuration-document.ts";
import { fieldError } from "../documents/document-errors.ts";
import { parseYaml, type FieldPath, type YamlSource } from "../documents/yaml-source.ts";
import { readBounded } from "../files.ts";
import { throwAll } from "../print-error.ts";
import { findFaults } from "./json-schema.ts";

/** A file to read at once, on the device, too; larger data is a release. */
export const MAX_CONFIGURATION_BYTES = 1_048_576;
const MAX_SCHEMA_BYTES = 1_048_576;
const MAX_FAULTS = 20;

export interface ConfigurationContent {
  readonly bytes: Buffer;
  /** Its name on the device. */
  readonly to: string;
}

/** Its value, and where each part of it stands. */
interface Parsed {
  readonly value: unknown;
  /** For messages: the file, the position of a part, and what that part is called. */
  readonly source: YamlSource | null;
  readonly file: string;
  readonly base: FieldPath;
}

/** A configuration that was read and checked. */
export interface LoadedConfiguration {
  readonly kind: "configuration";
  readonly source: YamlSource;
  readonly document: ConfigurationDocument;
  readonly content: ConfigurationContent;
}

/** Throws what `readContent` throws. */
export async function readConfiguration(
  parsed: Omit<LoadedConfiguration, "content">,
): Promise<LoadedConfiguration> {
  return { ...parsed, content: await readContent(parsed.source, parsed.document) };
}

/** Throws `invalid_argument` or `too_large`, with file, line and field. */
export async function readContent(
  source: YamlSource,
  { spec }: ConfigurationDocument,
): Promise<ConfigurationContent> {
  const folder = dirname(source.file);
  const base = ["spec", "document"];
  let parsed: Parsed = { value: spec.document, source, file: source.file, base };
  let bytes: Buffer;
  if (spec.file === undefined) bytes = inlineBytes(source, spec.document);
  else {
    const read = await readFile(source, folder, spec.file);
    bytes = read.bytes;
    ({ parsed } = read);
  }
  if (bytes.length > MAX_CONFIGURATION_BYTES) throw tooLong(source, bytes.length);
  if (spec.schema !== undefined) await checkSchema(beside(folder, spec.schema), parsed);
  return { bytes, to: spec.to ?? (spec.file === undefined ? "config.json" : basename(spec.file)) };
}

function beside(folder: string, name: string): string {
  return isAbsolute(name) ? name : join(folder, name);
}

function inlineBytes(source: YamlSource, document: unknown): Buffer {
  const text = JSON.stringify(document, null, 2) as string | undefined;
  const isWhole = text !== undefined && !hasUnsayable(document);
  if (isWhole) return Buffer.from(`${text}\n`);
  throw fieldError(source, ["spec", "document"], {
    message: "holds a number that JSON cannot say (.inf or .nan)",
  });
}

function hasUnsayable(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasUnsayable);
}

async function readFile(
  source: YamlSource,
  folder: string,
  name: string,
): Promise<{ bytes: Buffer; parsed: Parsed }> {
  const path = beside(folder, name);
  const kind = extname(name);
  if (![".json", ".yaml", ".yml"].includes(kind)) {
    throw fieldError(source, ["spec", "file"], {
      message: `${JSON.stringify(name)} is neither JSON nor YAML by its name`,
      hint: "name it *.json, *.yaml or *.yml; deliver anything else as a release of slot config",
    });
  }
  const attempted = "reading the configuration";
  const bytes = await readBounded(path, { attempted, maxBytes: MAX_CONFIGURATION_BYTES });
  const text = bytes.toString("utf8");
  if (kind === ".json") {
    const value = parseJson(text, path, "the configuration");
    // Positions are those of YAML, of which nearly every JSON is a part.
    const [positions = null] = yamlOrNothing(text, path);
    return { bytes, parsed: { value, source: positions, file: path, base: [] } };
  }
  const documents = parseYaml(text, path);
  const [only] = documents;
  if (only === undefined || documents.length > 1) {
    throw new MusterError({
      code: "invalid_argument",
      message: `the file holds ${documents.length} documents; a configuration is one`,
      detail: { file: path },
    });
  }
  return { bytes, parsed: { value: only.value, source: only, file: path, base: [] } };
}

function yamlOrNothing(text: string, path: string): readonly YamlSource[] {
  try {
    return parseYaml(text, path);
  } catch {
    return [];
  }
}

function parseJson(text: string, file: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : "";
    const at = /\(line (\d+) column (\d+)\)/.exec(problem);
    const place = at === null ? {} : { line: Number(at[1]), column: Number(at[2]) };
    const why = problem.replace(/ at position \d+.*$/s, "");
    throw new MusterError({
      code: "invalid_argument",
      message: `${what} is not JSON: ${why}`,
      detail: { file, ...place },
      cause,
    });
  }
}

async function checkSchema(path: string, parsed: Parsed): Promise<void> {
  const bytes = await readBounded(path, {
    attempted: "reading the schema of the configuration",
    maxBytes: MAX_SCHEMA_BYTES,
  });
  const schema = parseJson(bytes.toString("utf8"), path, "the schema");
  const faults = await findFaults(schema, parsed.value, path);
  const name = basename(path);
  throwAll(
    faults.slice(0, MAX_FAULTS).map(({ path: at, message }) => {
      const field = [...parsed.base, ...at];
      const sentence = `${message} (${name})`;
      if (parsed.source !== null) return fieldError(parsed.source, field, { message: sentence });
      const detail = { file: parsed.file, field: field.join(".") };
      return new MusterError({ code: "invalid_argument", message: sentence, detail });
    }),
  );
}

function tooLong(source: YamlSource, byteCount: number): MusterError {
  const message = `is ${byteCount} bytes of JSON; the most is ${MAX_CONFIGURATION_BYTES}`;
  const hint = "deliver data of this size as a release";
  return fieldError(source, ["spec", "document"], { message, hint });
}
