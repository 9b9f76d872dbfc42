// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { isMusterError } from "../../../domain/errors.ts";
import { generateDeviceKey } from "../../../agent/trust/key-and-request.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { IdentityWriter, readIdentities } from "../../../simulator/swarm/identity-book.ts";
import {
  journalFile,
  OperationJournal,
  readJournals,
} from "../../../simulator/swarm/operation-journal.ts";
import { tempDir } from "../../helpers/temp-dir.ts";

const ANCHORS = { tenant: "default", caPem: "the authority\n", root: Buffer.from("the root") };

function identityOf(id: string): { id: string; keyPem: string; certPem: string } {
  // Any PEM will do: the book does not look inside.
  const keyPem = generateDeviceKey();
  return { id, keyPem, certPem: keyPem.replaceAll("PRIVATE KEY", "CERTIFICATE") };
}

async function written(directory: string, part: number, ids: readonly string[]): Promise<void> {
  const writer = new IdentityWriter({ directory, part, anchors: null });
  for (const id of ids) await writer.append(ANCHORS, identityOf(id));
  await writer.close();
}

describe("the book of identities", () => {
  it("gives back what was written, from the files of all processes", async () => {
    await using folder = await tempDir("identities");
    const own = identityOf("a");
    const writer = new IdentityWriter({ directory: folder.path, part: 0, anchors: null });
    await writer.append(ANCHORS, own);
    await writer.close();
    await written(folder.path, 1, ["b"]);
    await written(folder.path, 0, ["c"]);
    const read = await readIdentities(folder.path);
    assert.deepEqual([...(read?.byId.keys() ?? [])].toSorted(), ["a", "b", "c"]);
    assert.deepEqual(read?.byId.get("a"), own);
    assert.deepEqual(read?.anchors, ANCHORS);
  });

  it("is for its owner only", async () => {
    await using folder = await tempDir("identities");
    await written(folder.path, 0, ["a"]);
    assert.equal((await stat(folder.join("identities-0.jsonl"))).mode & 0o077, 0);
  });

  it("loses only the device whose line was torn", async () => {
    await using folder = await tempDir("identities");
    await written(folder.path, 0, ["a", "b"]);
    const file = folder.join("identities-0.jsonl");
    await truncate(file, (await stat(file)).size - 10);
    assert.deepEqual([...((await readIdentities(folder.path))?.byId.keys() ?? [])], ["a"]);
    await written(folder.path, 0, ["c"]);
    assert.deepEqual([...((await readIdentities(folder.path))?.byId.keys() ?? [])], ["a", "c"]);
  });

  it("takes no identities of another installation, and says which line is damaged", async () => {
    await using folder = await tempDir("identities");
    await written(folder.path, 0, ["a"]);
    const anchors = (await readIdentities(folder.path))?.anchors ?? null;
    const writer = new IdentityWriter({ directory: folder.path, part: 0, anchors });
    await assert.rejects(
      writer.append({ ...ANCHORS, caPem: "another authority\n" }, identityOf("b")),
      (error: unknown) => isMusterError(error) && error.code === "failed_precondition",
    );
    await writer.close();
    await appendFile(folder.join("identities-0.jsonl"), '{"id":"b"}\n');
    await assert.rejects(
      readIdentities(folder.path),
      (error: unknown) => isMusterError(error) && error.detail.line === 3,
    );
  });

  it("is empty where nobody was enrolled", async () => {
    await using folder = await tempDir("identities");
    assert.equal(await readIdentities(folder.join("nowhere")), null);
  });
});

describe("the journal of operations", () => {
  const ack = (generation: number) =>
    ({ op: "ack", rollout: 1, position: 0, generation, sequence: 1 }) as const;

  async function journal(file: string, onFailure: (error: unknown) => void = assert.ifError) {
    const opened = new OperationJournal({
      file,
      clock: systemClock,
      onFailure,
      onRecord: () => {},
    });
    await opened.open();
    return opened;
  }

  it("is read back in the order of time, over the files of all processes", async () => {
    await using folder = await tempDir("journal");
    const line = (at: number, generation: number): string =>
      `${JSON.stringify({ at, device: "a", ...ack(generation) })}\n`;
    await writeFile(journalFile(folder.path, 0), line(1, 1) + line(4, 4) + line(5, 5));
    await writeFile(journalFile(folder.path, 1), line(2, 2) + line(3, 3) + line(6, 6));
    const seen: number[] = [];
    for await (const entry of readJournals(folder.path)) seen.push(entry.at);
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  });

  it("goes on behind a line that a kill has torn", async () => {
    await using folder = await tempDir("journal");
    const file = journalFile(folder.path, 0);
    await writeFile(file, '{"at":1,"device":"a","op":"acc');
    const opened = await journal(file);
    opened.record("a", ack(7));
    await opened.close();
    const seen: string[] = [];
    for await (const { op } of readJournals(folder.path)) seen.push(op);
    assert.deepEqual(seen, ["ack"]);
    assert.ok((await readFile(file, "utf8")).endsWith("\n"));
  });

  it("says that it cannot be written instead of losing lines in silence", async () => {
    const failures: unknown[] = [];
    const opened = await journal("/dev/full", (error) => failures.push(error));
    opened.record("a", ack(1));
    await opened.close();
    assert.equal(failures.length, 1);
    assert.ok(isMusterError(failures[0]) && failures[0].code === "no_space");
  });
});
