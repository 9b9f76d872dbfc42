// SPDX-License-Identifier: Apache-2.0
/**
 * `kind: Configuration`, the input of `muster apply --key` and of `muster release create`:
 *
 *     apiVersion: muster/v1
 *     kind: Configuration
 *     metadata: { name: till-settings, version: 1.2.0, tenant: default }
 *     spec:
 *       document: { currency: EUR, printer: { paper: 80 } } # or file: settings.yaml
 *       schema: settings.schema.json
 *       to: settings.json
 *       fits: { hwRevision: [a, b] }
 *       check: { run: [/usr/bin/shop, check-config, settings.json], timeout: 10s }
 *       restart: [shop]
 *       healthCheck: { run: [/usr/bin/shop, status], timeout: 10s, attempts: 3, interval: 5s }
 *
 * It is a release of slot `config` whose only artifact is the document. Files are relative to this
 * document.
 */
import { z } from "zod";
import { durationField, nameField, tenantField, versionField } from "./field-types.ts";
import { healthCheckField, place, programField, type ReleaseDocument } from "./release-document.ts";

export interface ConfigurationDocument {
  readonly apiVersion: "muster/v1";
  readonly kind: "Configuration";
  readonly metadata: ReleaseDocument["metadata"];
  readonly spec: {
    /** What devices get: one of these two. */
    readonly document?: unknown;
    readonly file?: string | undefined;
    /** A file with a JSON Schema that it must hold to. */
    readonly schema?: string | undefined;
    /** Its name on the device. Default: `config.json`, or that of the file. */
    readonly to?: string | undefined;
    readonly fits?: ReleaseDocument["spec"]["fits"];
    /** Run on the device beside the new document, before that becomes current; 0 = it may. */
    readonly check?:
      | { readonly run: readonly string[]; readonly timeout?: number | undefined }
      | undefined;
    /** Services that read it anew. */
    readonly restart?: readonly string[] | undefined;
    readonly healthCheck?: ReleaseDocument["spec"]["healthCheck"];
  };
}

const MAX_RESTARTS = 16;

export const configurationDocumentSchema: z.ZodType<ConfigurationDocument> = z.strictObject({
  apiVersion: z.literal("muster/v1"),
  kind: z.literal("Configuration"),
  metadata: z.strictObject({
    name: nameField("configuration name"),
    version: versionField,
    tenant: tenantField.optional(),
  }),
  spec: z
    .strictObject({
      document: z.unknown().optional(),
      file: z.string().min(1).optional(),
      schema: z.string().min(1).optional(),
      to: place.min(1).optional(),
      fits: z.record(z.string(), z.array(z.string()).min(1).max(64)).optional(),
      check: z.strictObject({ run: programField, timeout: durationField.optional() }).optional(),
      restart: z.array(z.string().min(1).max(256)).min(1).max(MAX_RESTARTS).optional(),
      healthCheck: healthCheckField.optional(),
    })
    .superRefine(({ document, file }, context) => {
      const say = (field: string, message: string): void =>
        context.addIssue({ code: "custom", path: [field], message });
      if (document === undefined && file === undefined) say("document", "this field is missing");
      if (document !== undefined && file !== undefined) {
        say("file", "stands beside a document; a configuration has one content");
      }
    }),
});

/** The artifact's name in the release. */
export const CONFIGURATION_ARTIFACT = "configuration";

/** The release that it is; `file` is where its content lies, `to` its name on the device. */
export function toReleaseDocument(
  { metadata, spec }: ConfigurationDocument,
  content: { readonly file: string; readonly to: string },
): ReleaseDocument {
  const { check, restart = [], fits, healthCheck } = spec;
  return {
    apiVersion: "muster/v1",
    kind: "Release",
    metadata,
    spec: {
      slot: "config",
      ...(fits === undefined ? {} : { fits }),
      artifacts: [{ name: CONFIGURATION_ARTIFACT, file: content.file }],
      steps: [
        { kind: "file", artifact: CONFIGURATION_ARTIFACT, to: content.to },
        ...(check === undefined ? [] : [{ kind: "command" as const, ...check }]),
        ...restart.map((service) => ({ kind: "service" as const, restart: service })),
      ],
      ...(healthCheck === undefined ? {} : { healthCheck }),
    },
  };
}
