// SPDX-License-Identifier: Apache-2.0
/** What Linux says of a process: memory, CPU time, bytes that it made the disk write. */
import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface ProcessFacts {
  readonly rssBytes: number;
  /** The highest so far. */
  readonly peakRssBytes: number;
  /** User and system, all threads. */
  readonly cpuSeconds: number;
  /** Bytes handed to `write`, sockets included. */
  readonly writtenBytes: number;
  /** Bytes that the process dirtied in files. */
  readonly storageBytes: number;
}

const CLOCK_TICKS_PER_SECOND = 100;

export async function readProcessFacts(pid: number): Promise<ProcessFacts> {
  const [status, statText, io] = await Promise.all(
    ["status", "stat", "io"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8")),
  );
  const kibibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status ?? "")?.[1] ?? 0) * 1_024;
  const counter = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)`, "m").exec(io ?? "")?.[1] ?? 0);
  const fields = (statText ?? "").slice((statText ?? "").lastIndexOf(")") + 2).split(" ");
  return {
    rssBytes: kibibytes("VmRSS"),
    peakRssBytes: kibibytes("VmHWM"),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND,
    writtenBytes: counter("wchar"),
    storageBytes: counter("write_bytes"),
  };
}

/** A metric of a role by its name in `/metrics`; 0 = it is not there. */
export async function readMetric(adminPort: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? 0);
}

/** Forgets the peak of the resident set so far; false where the kernel does not let us. */
export async function resetPeak(pid: number): Promise<boolean> {
  return writeFile(`/proc/${pid}/clear_refs`, "5").then(
    () => true,
    () => false,
  );
}

/** Bytes of the Store's and the EventLog's files. */
export async function databaseBytes(folder: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(folder)) {
    if (!/^(?:store|events)\.db/.test(name)) continue;
    sum += (await stat(join(folder, name))).size;
  }
  return sum;
}
