// SPDX-License-Identifier: Apache-2.0
/**
 * Makes a center know the devices that a swarm pretends to be: registered with region and labels,
 * and a one-time token for each that has no identity yet. Doing it again changes only what differs.
 */
import { hash, X509Certificate } from "node:crypto";
import { MusterError } from "../../../domain/errors.ts";
import { readIdentities } from "../../../simulator/swarm/identity-book.ts";
import type { Session } from "../../client.ts";
import type { Progress } from "../../progress/progress.ts";

/** The most that one call of the API takes. */
const BATCH_DEVICES = 1_000;

export interface RegisterSwarmOptions {
  readonly session: Session;
  readonly ids: readonly string[];
  readonly region: string;
  readonly labels: { readonly [name: string]: string };
  readonly dataDirectory: string;
  readonly progress: Progress;
}

/** Tokens of the devices that need one. */
export async function registerSwarm(options: RegisterSwarmOptions): Promise<readonly string[]> {
  const { session, ids, region, labels, dataDirectory, progress } = options;
  const { client, tenant, call } = session;
  const known = await readIdentities(dataDirectory);
  if (known !== null) await checkInstallation(session, known.anchors.caPem, dataDirectory);
  const bar = progress.bar("registered", ids.length);
  const tokens: string[] = [];
  for (let start = 0; start < ids.length; start += BATCH_DEVICES) {
    const batch = ids.slice(start, start + BATCH_DEVICES);
    const mutation = session.mutation("muster simulate");
    const devices = batch.map((id) => ({ id, region, labels }));
    await client.registerDevices({ mutation, tenant, devices }, call);
    const missing = batch.filter((id) => known?.byId.has(id) !== true);
    if (missing.length > 0) {
      const enrolment = { mutation: session.mutation("muster simulate"), tenant, devices: missing };
      tokens.push(...(await client.enrolDevices(enrolment, call)).tokens);
    }
    bar.update(start + batch.length);
  }
  bar.finish();
  return tokens;
}

/** Identities of another installation would be refused one by one, a thousand times. */
async function checkInstallation(session: Session, caPem: string, folder: string): Promise<void> {
  const { caSha256 } = await session.client.getStatus({}, session.call);
  if (hash("sha256", new X509Certificate(caPem).raw, "hex") === caSha256) return;
  throw new MusterError({
    code: "failed_precondition",
    message: "the pretended devices of this folder belong to another installation",
    detail: { file: folder, hint: "give another --data folder, or remove this one" },
  });
}
