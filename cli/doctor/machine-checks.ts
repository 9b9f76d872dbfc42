// SPDX-License-Identifier: Apache-2.0
/** This machine: runtime, disk, ports. */
import { constants } from "node:fs";
import { access, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { formatBytes } from "../output/units.ts";
import { fail, ok, warn, type CheckResult } from "./check.ts";

const OLDEST_NODE = 24;
const PINNED_NODE = 26;

/** Room for a database, its log and a few releases. */
const FREE_WARN_BYTES = 5 * 2 ** 30;
/** Below this the center refuses to write. */
export const FREE_FAIL_BYTES: number = 256 * 2 ** 20;

/** The ports that roles take unless told otherwise. */
const PORTS: readonly (readonly [port: number, use: string])[] = [
  [7070, "API and console"],
  [50_051, "gRPC"],
  [7443, "enrolment"],
  [7444, "artifacts"],
  [8883, "MQTT"],
  [9464, "metrics of the center"],
  [9465, "metrics of a gateway"],
  [9466, "metrics of an agent"],
];

export function checkRuntime(version: string): CheckResult {
  const major = Number(version.split(".")[0]);
  const advice = `run it with Node ${PINNED_NODE}, which comes with the package`;
  if (major < OLDEST_NODE) return fail("runtime", `Node ${version}`, advice);
  if (major < PINNED_NODE) return warn("runtime", `Node ${version}`, advice);
  return ok("runtime", `Node ${version}`);
}

/** The nearest folder that exists decides whether the rest can be made. */
export async function checkDataFolder(folder: string): Promise<CheckResult> {
  const existing = await nearestExisting(folder);
  try {
    await access(existing, constants.W_OK | constants.X_OK);
  } catch {
    return fail(
      "data folder",
      `${existing} is not writable`,
      `chown it, or choose another: --data`,
    );
  }
  const { bavail, bsize } = await statfs(existing);
  const freeBytes = bavail * bsize;
  const found = `${folder}: ${formatBytes(freeBytes)} free`;
  const advice = "free some space, or choose a folder on another disk: --data";
  if (freeBytes < FREE_FAIL_BYTES) return fail("data folder", found, advice);
  if (freeBytes < FREE_WARN_BYTES) return warn("data folder", found, advice);
  return ok("data folder", found);
}

async function nearestExisting(folder: string): Promise<string> {
  let current = folder;
  for (;;) {
    const isThere = await access(current).then(
      () => true,
      () => false,
    );
    if (isThere || dirname(current) === current) return current;
    current = dirname(current);
  }
}

/** A taken port is normal where a role runs, so it is never more than a warning. */
export async function checkPorts(options: { centerIsHere: boolean }): Promise<CheckResult> {
  const taken: string[] = [];
  for (const [port, use] of PORTS) {
    if (!(await isFree(port))) taken.push(`${port} (${use})`);
  }
  if (taken.length === 0) return ok("ports", "all default ports are free");
  const found = `taken: ${taken.join(", ")}`;
  if (options.centerIsHere) return ok("ports", `${found}; a center runs here`);
  return warn("ports", found, "a role that needs one must be given another, see its --help");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port }, () => server.close(() => resolve(true)));
  });
}
