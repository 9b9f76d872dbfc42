// SPDX-License-Identifier: Apache-2.0
/**
 * `kind: Release`, the input of `muster release create`:
 *
 *     apiVersion: muster/v1
 *     kind: Release
 *     metadata: { name: shop, version: 1.4.0, tenant: default }
 *     spec:
 *       slot: app
 *       fits: { hwRevision: [a, b] }
 *       requires: ">=1.0.0"
 *       artifacts:
 *         - { name: app, file: build/app.tar.gz }
 *       steps:
 *         - { kind: archive, artifact: app, to: . }
 *         - { kind: file, artifact: motd, to: etc/motd, mode: "0644" }
 *         - { kind: command, run: [./bin/migrate], timeout: 2m }
 *         - { kind: service, restart: shop }
 *       healthCheck: { run: [./bin/check], timeout: 10s, attempts: 3, interval: 5s }
 *
 * Files are relative to the document.
 */
import { z } from "zod";
import { SLOTS, type Slot } from "../../protocol/device/status.ts";
import { durationField, floorField, nameField, tenantField, versionField } from "./field-types.ts";

export type StepDocument =
  | { readonly kind: "archive"; readonly artifact: string; readonly to?: string | undefined }
  | {
      readonly kind: "file";
      readonly artifact: string;
      readonly to: string;
      readonly mode?: string | undefined;
    }
  | {
      readonly kind: "command";
      readonly run: readonly string[];
      /** Milliseconds, as are the health check's times. */
      readonly timeout?: number | undefined;
    }
  | { readonly kind: "service"; readonly restart: string };

export interface HealthCheckFields {
  readonly run: readonly string[];
  readonly timeout?: number | undefined;
  readonly attempts?: number | undefined;
  readonly interval?: number | undefined;
}

export interface ReleaseDocument {
  readonly apiVersion: "muster/v1";
  readonly kind: "Release";
  readonly metadata: {
    readonly name: string;
    readonly version: string;
    readonly tenant?: string | undefined;
  };
  readonly spec: {
    readonly slot: Slot;
    readonly fits?: { readonly [fact: string]: readonly string[] } | undefined;
    readonly requires?: string | undefined;
    readonly artifacts?: readonly { readonly name: string; readonly file: string }[] | undefined;
    readonly steps: readonly StepDocument[];
    readonly healthCheck?: HealthCheckFields | undefined;
  };
}

/** Relative and inside: as the manifest and the device want it. */
export const place: z.ZodString = z
  .string()
  .max(1_024)
  .superRefine((text, context) => {
    if (!text.startsWith("/") && !text.split("/").includes("..")) return;
    const message = `${JSON.stringify(text)} leaves the slot folder`;
    const hint = 'write a relative path without ".."';
    context.addIssue({ code: "custom", message, params: { hint } });
  });

const mode = z.string().superRefine((text, context) => {
  if (/^0?[0-7]{3}$/.test(text)) return;
  const message = `${JSON.stringify(text)} is not a file mode like "0644"`;
  context.addIssue({ code: "custom", message });
});

const artifactName = z.string().superRefine((text, context) => {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text)) return;
  const name = JSON.stringify(text.slice(0, 140));
  const message = `artifact name ${name} is not 1–128 letters, digits, . _ -`;
  context.addIssue({ code: "custom", message });
});

/** A program and its arguments. */
export const programField: z.ZodType<readonly string[]> = z
  .array(z.string().min(1).max(4_096))
  .min(1)
  .max(64);

export const healthCheckField: z.ZodType<HealthCheckFields> = z.strictObject({
  run: programField,
  timeout: durationField.optional(),
  attempts: z.int().min(1).max(100).optional(),
  interval: durationField.optional(),
});

const step = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("archive"), artifact: z.string(), to: place.optional() }),
  z.strictObject({
    kind: z.literal("file"),
    artifact: z.string(),
    to: place.min(1),
    mode: mode.optional(),
  }),
  z.strictObject({
    kind: z.literal("command"),
    run: programField,
    timeout: durationField.optional(),
  }),
  z.strictObject({ kind: z.literal("service"), restart: z.string().min(1).max(256) }),
]);

export const releaseDocumentSchema: z.ZodType<ReleaseDocument> = z.strictObject({
  apiVersion: z.literal("muster/v1"),
  kind: z.literal("Release"),
  metadata: z.strictObject({
    name: nameField("release name"),
    version: versionField,
    tenant: tenantField.optional(),
  }),
  spec: z.strictObject({
    slot: z.enum(SLOTS),
    fits: z.record(z.string(), z.array(z.string()).min(1).max(64)).optional(),
    requires: floorField.optional(),
    artifacts: z
      .array(z.strictObject({ name: artifactName, file: z.string().min(1) }))
      .max(64)
      .optional(),
    steps: z.array(step).min(1).max(64),
    healthCheck: healthCheckField.optional(),
  }),
});
