// SPDX-License-Identifier: Apache-2.0
/**
 * SHA-256 over what each role keeps, read from its disk while it runs. Two equal ones mean that
 * nothing was changed in between.
 *
 * - center: every row of every table of its databases (the audit log and its sequence among them),
 *   what it signs and issues with. Blobs that no release names are no state: they are found again
 *   by their digest.
 * - gateway: leases and caches.
 * - agent: what runs: the link to the active side of each slot, the side itself, and what the
 *   journal says of it. The other side is where the next install is made, and the highest
 *   generation that was answered must grow: an offer that was refused must not be accepted later.
 */
import { createHash, type Hash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export async function centerDigest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of ["store.db", "events.db"]) addDatabase(hash, join(folder, name));
  for (const name of ["ca", "secrets", "trust", "operator"]) {
    await addTree(hash, folder, name);
  }
  return hash.digest("hex");
}

export async function gatewayDigest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of ["identity", "leases", "leases.json", "cache", "trust.json"]) {
    await addTree(hash, folder, name);
  }
  return hash.digest("hex");
}

export async function agentDigest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  await addTree(hash, folder, "identity");
  const text = await readFile(join(folder, "journal.json"), "utf8");
  const journal = JSON.parse(text.slice(text.indexOf("\n") + 1)) as Journal;
  for (const [slot, { active, sides }] of Object.entries(journal.slots)) {
    hash.update(`${slot} ${active} ${JSON.stringify(sides[active])}\n`);
    for (const name of ["current", active, `${active}.json`]) {
      await addTree(hash, folder, join("slots", slot, name));
    }
  }
  return hash.digest("hex");
}

/** What is used of agent/state/journal-state.ts. */
interface Journal {
  readonly slots: {
    readonly [slot: string]: {
      readonly active: string;
      readonly sides: { readonly [side: string]: unknown };
    };
  };
}

function addDatabase(hash: Hash, path: string): void {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const tables = database
      .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .all();
    for (const { name, sql } of tables) {
      hash.update(`${path}\n${String(sql)}\n`);
      const rows = database.prepare(`SELECT * FROM "${String(name)}"`).all();
      const lines = rows.map((row) => JSON.stringify(Object.values(row), asText)).toSorted();
      hash.update(lines.join("\n"));
    }
  } finally {
    database.close();
  }
}

function asText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

async function addTree(hash: Hash, root: string, name: string): Promise<void> {
  const path = join(root, name);
  const facts = await lstat(path).catch(() => null);
  if (facts === null) return;
  hash.update(`${name} ${facts.mode}\n`);
  if (facts.isSymbolicLink()) hash.update(await readlink(path));
  else if (facts.isFile()) hash.update(await readFile(path));
  else {
    const entries = (await readdir(path)).toSorted();
    for (const entry of entries) await addTree(hash, root, join(name, entry));
  }
}
