// SPDX-License-Identifier: Apache-2.0
/**
 * What `-f` names, as things to apply: YAML files (several documents each), standard input, folders
 * (their YAML files and bundles, by name) and release bundles. Everything is read and checked
 * before anything is sent; every error of every file is reported.
 */
import { isUtf8 } from "node:buffer";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { fileError, readBounded, tooLarge } from "../files.ts";
import { SeveralErrors, throwAll } from "../print-error.ts";
import { BUNDLE_SUFFIX, MANIFEST_FILE } from "../release/bundle.ts";
import { readStdin, type Shell } from "../shell.ts";
import { checkDocument, didYouMean, fieldError } from "./document-errors.ts";
import {
  readConfiguration,
  type LoadedConfiguration,
} from "../configuration/configuration-content.ts";
import { configurationDocumentSchema } from "./configuration-document.ts";
import { rolloutDocumentSchema, type RolloutDocument } from "./rollout-document.ts";
import { MAX_YAML_BYTES, parseYaml, type YamlSource } from "./yaml-source.ts";

interface LoadedRollout {
  readonly kind: "rollout";
  readonly source: YamlSource;
  readonly document: RolloutDocument;
}

export type LoadedDocument =
  | LoadedRollout
  | LoadedConfiguration
  | { readonly kind: "bundle"; readonly folder: string };

/** As it stands in the text: what it names is not read yet. */
export type ParsedDocument = LoadedRollout | Omit<LoadedConfiguration, "content">;

/** More errors than this at once help nobody. */
const MAX_ERRORS = 20;

const KINDS = ["Rollout", "Configuration"] as const;

/** Documents in the order to apply them: releases and configurations before the
 * rollouts that name them. */
export async function loadDocuments(
  shell: Pick<Shell, "stdin">,
  names: readonly string[],
): Promise<LoadedDocument[]> {
  const loaded = await gather(names, (name) => loadOne(shell, name), atMost);
  if (loaded.length === 0) throw nothingFound(names);
  return loaded.toSorted((left, right) => rank(left) - rank(right));
}

/** Loads each; throws the errors of all of them together, or those that `choose` leaves. */
async function gather<Item>(
  items: readonly Item[],
  load: (item: Item) => Promise<LoadedDocument[]>,
  choose: (errors: readonly MusterError[]) => readonly MusterError[] = (errors) => errors,
): Promise<LoadedDocument[]> {
  const loaded: LoadedDocument[] = [];
  const errors: MusterError[] = [];
  for (const item of items) {
    try {
      loaded.push(...(await load(item)));
    } catch (error) {
      if (error instanceof SeveralErrors) errors.push(...error.errors);
      else if (isMusterError(error)) errors.push(error);
      else throw error;
    }
  }
  throwAll(choose(errors));
  return loaded;
}

/** The first of them; one more says how many there are beside. */
function atMost(errors: readonly MusterError[]): readonly MusterError[] {
  if (errors.length <= MAX_ERRORS) return errors;
  const left = errors.length - MAX_ERRORS;
  const message = left === 1 ? "1 more error is not shown" : `${left} more errors are not shown`;
  return [...errors.slice(0, MAX_ERRORS), new MusterError({ code: "invalid_argument", message })];
}

function rank(document: LoadedDocument): number {
  return document.kind === "rollout" ? 1 : 0;
}

function nothingFound(names: readonly string[]): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `there is nothing to apply in ${names.join(", ")}`,
    detail: { hint: "name YAML files (*.yaml, *.yml), signed release bundles, or folders of them" },
  });
}

async function loadOne(shell: Pick<Shell, "stdin">, name: string): Promise<LoadedDocument[]> {
  if (name === "-") {
    const text = await readStdin(shell, MAX_YAML_BYTES);
    if (text === null) throw tooLarge("reading standard input", name, MAX_YAML_BYTES);
    return readParsed(loadText(text, name));
  }
  if (await isFolder(name)) return loadFolder(name);
  return loadFile(name);
}

async function loadFile(path: string): Promise<LoadedDocument[]> {
  const bytes = await readBounded(path, {
    attempted: "reading the document",
    maxBytes: MAX_YAML_BYTES,
  });
  return readParsed(loadText(textOf(bytes, path), path));
}

/** Throws `invalid_argument` for what is no text: a parser would print it back at length. */
function textOf(bytes: Buffer, file: string): string {
  if (isUtf8(bytes) && !bytes.includes(0)) return bytes.toString("utf8");
  throw new MusterError({
    code: "invalid_argument",
    message: "reading the document failed: it is not text in UTF-8",
    detail: { file, hint: "name YAML files (*.yaml, *.yml), signed release bundles, or folders" },
  });
}

/** With the files that configurations name. Throws the errors of all of them together. */
async function readParsed(parsed: readonly ParsedDocument[]): Promise<LoadedDocument[]> {
  return gather(parsed, async (document) => {
    return [document.kind === "rollout" ? document : await readConfiguration(document)];
  });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw fileError("reading the document", path, error);
  }
}

async function loadFolder(folder: string): Promise<LoadedDocument[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (entries.some((entry) => entry.isFile() && entry.name === MANIFEST_FILE)) {
    return [{ kind: "bundle", folder }];
  }
  const wanted = entries.filter(
    (entry) =>
      (entry.isFile() && /\.ya?ml$/.test(entry.name)) ||
      (entry.isDirectory() && entry.name.endsWith(BUNDLE_SUFFIX)),
  );
  const paths = wanted.map(({ name }) => join(folder, name)).toSorted();
  return gather(paths, async (path) =>
    path.endsWith(BUNDLE_SUFFIX) ? [{ kind: "bundle", folder: path }] : loadFile(path),
  );
}

/** The documents of one text. Throws every error found in it. */
export function loadText(text: string, file: string): ParsedDocument[] {
  const results = parseYaml(text, file).map(loadDocument);
  throwAll(results.flatMap((result) => ("errors" in result ? result.errors : [])));
  return results.flatMap((result) => ("loaded" in result ? [result.loaded] : []));
}

const headSchema = z.looseObject({ kind: z.string() });

function loadDocument(
  source: YamlSource,
): { readonly loaded: ParsedDocument } | { readonly errors: readonly MusterError[] } {
  const head = checkDocument(source, headSchema);
  if ("errors" in head) return head;
  const { kind } = head.value;
  if (kind === "Configuration") {
    const checked = checkDocument(source, configurationDocumentSchema);
    if ("errors" in checked) return checked;
    return { loaded: { kind: "configuration", source, document: checked.value } };
  }
  if (kind !== "Rollout") return { errors: [unknownKind(source, kind)] };
  const checked = checkDocument(source, rolloutDocumentSchema);
  if ("errors" in checked) return checked;
  return { loaded: { kind: "rollout", source, document: checked.value } };
}

function unknownKind(source: YamlSource, kind: string): MusterError {
  const hint =
    kind === "Release"
      ? "make a bundle of it first: muster release create, then muster release sign"
      : (didYouMean(kind, KINDS) ?? `kinds are ${KINDS.join(", ")}`);
  return fieldError(source, ["kind"], {
    message: `unknown kind ${JSON.stringify(kind)}`,
    hint,
  });
}
