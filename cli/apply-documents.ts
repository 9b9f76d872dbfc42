// SPDX-License-Identifier: Apache-2.0
/** Sends checked documents to the center, one after the other; the first refusal ends it. */
import { isMusterError } from "../domain/errors.ts";
import type { Session } from "./client.ts";
import { publishConfiguration } from "./configuration/configuration-bundle.ts";
import type { LoadedConfiguration } from "./configuration/configuration-content.ts";
import type { LoadedDocument } from "./documents/load-documents.ts";
import { toRolloutSpec } from "./documents/rollout-document.ts";
import { locateServerError } from "./documents/server-errors.ts";
import { createProgress } from "./progress/progress.ts";
import { readBundle } from "./release/bundle.ts";
import { publishBundle } from "./release/publish-bundle.ts";
import { required } from "./required.ts";
import type { Shell } from "./shell.ts";

export interface ApplyResult {
  readonly kind: "release" | "configuration" | "rollout";
  /** `name@version` of a release or a configuration. */
  readonly name: string;
  readonly tenant: string;
  readonly result: "created" | "changed" | "unchanged";
}

export async function* applyDocuments(options: {
  shell: Shell;
  session: Session;
  documents: readonly LoadedDocument[];
  /** Private key of the targets role, for configurations. */
  keyFile: string | undefined;
  reason: string | undefined;
}): AsyncGenerator<ApplyResult> {
  for (const document of options.documents) {
    yield await apply(options, document);
  }
}

function apply(context: Context, document: LoadedDocument): Promise<ApplyResult> {
  switch (document.kind) {
    case "bundle":
      return applyBundle(context, document.folder);
    case "configuration":
      return applyConfiguration(context, document);
    case "rollout":
      return applyRollout(context, document);
  }
}

type Context = Parameters<typeof applyDocuments>[0];

async function applyBundle(context: Context, folder: string): Promise<ApplyResult> {
  const { shell, session, reason } = context;
  const bundle = await readBundle(folder);
  using progress = createProgress({
    stream: shell.stderr,
    isTty: shell.stderr.isTTY === true,
    clock: shell.clock,
  });
  const { created } = await publishBundle({ session, bundle, reason, progress });
  const { name, version, tenant } = bundle.manifest;
  const result = created ? "created" : "unchanged";
  return { kind: "release", name: `${name}@${version}`, tenant, result };
}

async function applyConfiguration(
  context: Context,
  loaded: LoadedConfiguration,
): Promise<ApplyResult> {
  const { shell, session, keyFile, reason } = context;
  using progress = createProgress({
    stream: shell.stderr,
    isTty: shell.stderr.isTTY === true,
    clock: shell.clock,
  });
  const nowMs = shell.clock.wallMs();
  const published = { session, loaded, keyFile, reason, progress, nowMs };
  const { created } = await publishConfiguration(published);
  const { name, version, tenant = session.tenant } = loaded.document.metadata;
  const result = created ? "created" : "unchanged";
  return { kind: "configuration", name: `${name}@${version}`, tenant, result };
}

async function applyRollout(
  context: Context,
  loaded: LoadedDocument & { kind: "rollout" },
): Promise<ApplyResult> {
  const { session, reason } = context;
  const { document, source } = loaded;
  const tenant = document.metadata.tenant ?? session.tenant;
  const { name } = document.metadata;
  try {
    const response = await session.client.applyRollout(
      { mutation: session.mutation(reason), tenant, name, spec: toRolloutSpec(document) },
      session.call,
    );
    required(response.rollout, "rollout");
    const result = response.created ? "created" : response.changed ? "changed" : "unchanged";
    return { kind: "rollout", name, tenant, result };
  } catch (error) {
    if (!isMusterError(error) || error.detail.field === undefined) throw error;
    throw locateServerError(error, source);
  }
}
