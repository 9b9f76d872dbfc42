// SPDX-License-Identifier: Apache-2.0
/**
 * The swarm's certificates, signed with the center's own key beside the center. Through EST, 5,000
 * of them took 2.5 minutes of two cores, longer than all that is measured afterwards.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DEFAULT_TENANT } from "../../../domain/identity.ts";
import { IdentityWriter } from "../../../simulator/swarm/identity-book.ts";
import { issueDevice, openBenchAuthority } from "../gateway/bench-authority.ts";

/** Signing waits for threads of its own: so many keep a core busy. */
const AT_ONCE = 16;

/** `centerFolder`: of a center that was started. `directory`: the swarm's. */
export async function writeSwarmIdentities(options: {
  readonly centerFolder: string;
  readonly directory: string;
  readonly ids: readonly string[];
}): Promise<void> {
  const { centerFolder, directory, ids } = options;
  const authority = await openBenchAuthority(centerFolder);
  const root = await readFile(join(centerFolder, "trust", "metadata", "1.root.json"));
  const anchors = { tenant: DEFAULT_TENANT, caPem: authority.caPem, root };
  await mkdir(directory, { recursive: true });
  const writer = new IdentityWriter({ directory, part: 0, anchors: null });
  for (let first = 0; first < ids.length; first += AT_ONCE) {
    const issued = ids.slice(first, first + AT_ONCE).map(async (id) => {
      const { key, cert } = await issueDevice(authority, id);
      await writer.append(anchors, { id, keyPem: key, certPem: cert });
    });
    await Promise.all(issued);
  }
  await writer.close();
}
