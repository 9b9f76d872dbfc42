// SPDX-License-Identifier: Apache-2.0
//
// `node scripts/servers.ts`: says which of the servers that engines speak to are on this machine.
// `node scripts/servers.ts install [NAME…]` brings those that are missing, or the named ones of
// them: from Debian's packages, or built into the cache outside the clone.

import { parseArgs } from "node:util";
import { SERVERS } from "./servers/all.ts";
import type { ServerKind } from "./servers/server.ts";

const { positionals } = parseArgs({ allowPositionals: true });
process.exitCode = await main(positionals);

async function main([verb, ...names]: readonly string[]): Promise<number> {
  if (verb !== undefined && verb !== "install") {
    console.error(`There is no ${verb}: node scripts/servers.ts [install [NAME…]].`);
    return 2;
  }
  const unknown = names.filter((name) => !SERVERS.some((server) => server.name === name));
  if (unknown.length > 0) {
    const known = SERVERS.map(({ name }) => name).join(", ");
    console.error(`There is no server ${unknown.join(" or ")}: ${known}.`);
    return 2;
  }
  const chosen = SERVERS.filter(({ name }) => names.length === 0 || names.includes(name));
  let failedCount = 0;
  for (const server of chosen) {
    try {
      await report(server, verb === "install");
    } catch (error) {
      failedCount += 1;
      console.error(`servers: ${server.title}: FAILED: ${(error as Error).message}`);
    }
  }
  return failedCount === 0 ? 0 : 1;
}

async function report(server: ServerKind, isToInstall: boolean): Promise<void> {
  let found = await server.find();
  if (!found.isFound && isToInstall) {
    console.error(`servers: ${server.title}: installing …`);
    await server.install();
    found = await server.find();
    if (!found.isFound) throw new Error(`it was installed, and yet ${found.missing}`);
  }
  const what = found.isFound ? `${found.version} in ${found.place}` : `missing: ${found.missing}`;
  console.error(`servers: ${server.title}: ${what}`);
}
