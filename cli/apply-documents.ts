// SPDX-License-Identifier: Apache-2.0
/** Sends checked documents to the center, one after the other; the first refusal ends it. */
import { isMusterError } from "../domain/errors.ts";
import type { Session } from "./client.ts";
import type { LoadedDocument } from "./documents/load-documents.ts";
import { toRolloutSpec } from "./documents/rollout-document.ts";
import { locateServerError } from "./documents/server-errors.ts";
import { createProgress } from "./progress/progress.ts";
import { readBundle } from "./release/bundle.ts";
import { publishBundle } from "./release/publish-bundle.ts";
import { required } from "./required.ts";
import type { Shell } from "./shell.ts";

export interface ApplyResult {
  readonly kind: "release" | "rollout";
  /** `name@version` of a release. */
  readonly name: string;
  readonly tenant: string;
  readonly result: "created" | "changed" | "unchanged";
}

export async function* applyDocuments(options: {
  shell: Shell;
  session: Session;
  documents: readonly LoadedDocument[];
  reason: string | undefined;
}): AsyncGenerator<ApplyResult> {
  for (const document of options.documents) {
    yield document.kind === "bundle"
      ? await applyBundle(options, document.folder)
      : await applyRollout(options, document);
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
