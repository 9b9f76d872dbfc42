// SPDX-License-Identifier: Apache-2.0
/** Moves one archive to a device that has another, in three ways, and counts. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sha256Of } from "../../../cli/release/bundle.ts";
import { chunkArtifact } from "../../../cli/release/chunk-artifact.ts";
import { BenchServer, type BenchArchive } from "./bench-server.ts";

export interface Cost {
  readonly movedBytes: number;
  readonly cpuMs: number;
}

export interface Measured {
  readonly archiveBytes: number;
  readonly ours: Cost;
  readonly plain: Cost;
  /** null where casync is not installed. */
  readonly casync: Cost | null;
}

const run = promisify(execFile);
const FETCH_MAIN = fileURLToPath(new URL("fetch-main.ts", import.meta.url));
const { signal } = new AbortController();

export async function measurePair(pair: { old: Buffer; new: Buffer }): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), "muster-bench-transfer-"));
  try {
    const old = await archiveIn(folder, "old.tar", pair.old);
    const target = await archiveIn(folder, "new.tar", pair.new);
    await using server = await BenchServer.start(folder, target);
    return {
      archiveBytes: target.blob.length,
      ours: await fetchWithAgent({ server, folder: join(folder, "ours"), old, target }),
      plain: await fetchWithAgent({ server, folder: join(folder, "plain"), old: null, target }),
      casync: await fetchWithCasync(server, folder),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function archiveIn(folder: string, name: string, blob: Buffer): Promise<BenchArchive> {
  const file = join(folder, name);
  await writeFile(file, blob);
  const index = await chunkArtifact({ file, lengthBytes: blob.length, signal });
  if (index === null) throw new Error(`${name} is too small to be chunked`);
  return { blob, sha256: sha256Of(blob), index, indexSha256: sha256Of(index.bytes) };
}

/** Our downloader in a process of its own; `old` null = whole, and nothing to take from. */
async function fetchWithAgent(options: {
  server: BenchServer;
  folder: string;
  old: BenchArchive | null;
  target: BenchArchive;
}): Promise<Cost> {
  const { server, folder, old, target } = options;
  await mkdir(join(folder, "seeds", "app"), { recursive: true });
  if (old !== null) {
    const path = join(folder, "seeds", "app", old.sha256);
    await writeFile(path, old.blob);
    await writeFile(`${path}.caibx`, old.index.bytes);
  }
  const { sha256, blob, index, indexSha256 } = target;
  const lengthBytes = blob.length;
  const chunkIndex = { sha256: indexSha256, lengthBytes: index.bytes.length };
  const asked = { sha256, lengthBytes, ...(old === null ? {} : { chunkIndex }) };
  const before = server.movedBytes;
  const child = spawn(
    process.execPath,
    [FETCH_MAIN, folder, String(server.port), JSON.stringify(asked)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
  await once(child, "close");
  const { kind, cpuMs } = JSON.parse(output) as { kind: string; cpuMs: number };
  const fetched = await readFile(join(folder, "downloads", sha256));
  if (kind !== "done" || !fetched.equals(target.blob)) throw new Error(`it ended as ${output}`);
  return { movedBytes: server.movedBytes - before, cpuMs };
}

async function fetchWithCasync(server: BenchServer, folder: string): Promise<Cost | null> {
  const isThere = await run("casync", ["--version"]).then(
    () => true,
    () => false,
  );
  if (!isThere) return null;
  const make = ["make", "--store=theirs.castr", "theirs.caibx", "new.tar"];
  await run("casync", make, { cwd: folder });
  const base = `http://127.0.0.1:${server.port}`;
  const extract =
    `casync extract --store=${base}/theirs.castr --seed=old.tar ` +
    `${base}/theirs.caibx again.tar > extract.log 2>&1 && times`;
  const before = server.movedBytes;
  const { stdout } = await run("sh", ["-c", extract], { cwd: folder });
  const movedBytes = server.movedBytes - before;
  const [again, wanted] = await Promise.all(
    ["again.tar", "new.tar"].map((name) => readFile(join(folder, name))),
  );
  if (wanted === undefined || again?.equals(wanted) !== true) throw new Error("casync failed");
  return { movedBytes, cpuMs: childrenCpuMs(stdout) };
}

/** The second line of the shell's `times`: user and system time of what it ran. */
function childrenCpuMs(text: string): number {
  const words = text.trim().split("\n").at(-1)?.split(" ") ?? [];
  return words.reduce((sum, word) => {
    const [, minutes = "0", seconds = "0"] = /^(\d+)m([\d.]+)s$/.exec(word) ?? [];
    return sum + Number(minutes) * 60_000 + Number(seconds) * 1_000;
  }, 0);
}
