// SPDX-License-Identifier: Apache-2.0
/** `muster release create`: a bundle of a release document, or of a configuration. */
import { join } from "node:path";
import { assert } from "../../domain/assert.ts";
import { configurationDocumentSchema } from "../documents/configuration-document.ts";
import { checkDocument } from "../documents/document-errors.ts";
import { throwAll } from "../print-error.ts";
import { BUNDLE_SUFFIX, type Bundle } from "../release/bundle.ts";
import { createBundle, readReleaseSource } from "../release/create-bundle.ts";
import { bundleConfiguration } from "./configuration-bundle.ts";
import { readConfiguration } from "./configuration-content.ts";

export async function createAnyBundle(
  options: Parameters<typeof createBundle>[0],
): Promise<Bundle> {
  const source = await readReleaseSource(options.documentFile);
  if (kindOf(source.value) !== "Configuration") return createBundle(options);
  const checked = checkDocument(source, configurationDocumentSchema);
  if ("errors" in checked) throwAll(checked.errors);
  assert("value" in checked, "a document without errors has a value");
  const document = checked.value;
  const { name, version } = document.metadata;
  const out = options.out ?? join(options.folder, `${name}-${version}${BUNDLE_SUFFIX}`);
  const loaded = await readConfiguration({ kind: "configuration", source, document });
  return bundleConfiguration(loaded, { out, signal: options.signal });
}

function kindOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
}
