// SPDX-License-Identifier: Apache-2.0
//
// PostgreSQL from Debian's package, or any other on this machine: found in PATH or where Debian
// keeps its versions. It refuses to run as root: started by root it runs as the user `postgres`
// that the package brings.

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { endProcess, freePort, installPackages, loopbackAddress, run } from "./server.ts";
import { waitUntilReady, type Found, type ServerKind } from "./server.ts";

const PACKAGE = "postgresql-15";
const DEBIAN_FOLDER = "/usr/lib/postgresql";
/** Recovery after a kill reads what was written since the last checkpoint: seconds. */
const READY_TIMEOUT_MS = 60_000;
/** Someone may take the port between looking for it and listening. */
const START_TRIES = 5;

/** A folder that has these has the rest. */
const PROGRAMS = ["postgres", "initdb", "pg_isready", "pg_dump", "psql"];

const USER = "muster";
const PASSWORD = "p/w %:@";

export const postgres: ServerKind = {
  name: "postgres",
  title: "PostgreSQL",
  find: async (): Promise<Found> => {
    const place = binaryFolder();
    if (place === undefined) {
      const where = `neither PATH nor ${DEBIAN_FOLDER} has its programs`;
      return { isFound: false, missing: where };
    }
    const text = await run(join(place, "postgres"), ["--version"]);
    return { isFound: true, version: /\d+(?:\.\d+)+/.exec(text)?.[0] ?? text.trim(), place };
  },
  install: () => installPackages([PACKAGE]),
};

/** A server of its own, until it is disposed of. */
export interface PostgresServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** A URL of a database of this server, with user and password. */
  url(database: string): string;
  /** Ends it in the midst of whatever it does; what was committed is on the disk. */
  kill(): Promise<void>;
  /** After `kill`: on the same data, at the same address. */
  start(): Promise<void>;
  /** A client's command (`pg_dump`, `psql`) against a database; what it wrote. */
  command(name: string, database: string, args: readonly string[]): Promise<string>;
}

/** Makes a cluster in a new folder and starts it. */
export async function startPostgres(): Promise<PostgresServer> {
  const place = binaryFolder();
  if (place === undefined) {
    throw new Error("PostgreSQL is missing: node scripts/servers.ts install postgres");
  }
  const identity = await serverIdentity();
  const folder = await mkdtemp(join(tmpdir(), "muster-postgres-"));
  if (identity.uid !== undefined) await chown(folder, identity.uid, identity.gid ?? 0);
  const server = new LocalPostgres({ place, folder, identity });
  try {
    await server.create();
    await server.startAnywhere();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

class LocalPostgres implements PostgresServer {
  readonly host = loopbackAddress();
  port = 0;
  readonly #place: string;
  readonly #folder: string;
  readonly #identity: Identity;
  #child: ChildProcess | null = null;

  constructor(options: { place: string; folder: string; identity: Identity }) {
    this.#place = options.place;
    this.#folder = options.folder;
    this.#identity = options.identity;
  }

  url(database: string): string {
    const user = `${USER}:${encodeURIComponent(PASSWORD)}`;
    return `postgres://${user}@${this.host}:${this.port}/${database}`;
  }

  async create(): Promise<void> {
    const passwordFile = join(this.#folder, "password");
    await writeFile(passwordFile, PASSWORD, { mode: 0o600 });
    const { uid, gid } = this.#identity;
    if (uid !== undefined) await chown(passwordFile, uid, gid ?? 0);
    const access = ["-U", USER, "-A", "scram-sha-256", `--pwfile=${passwordFile}`];
    const locale = ["-E", "UTF8", "--locale=C"];
    const args = ["-D", this.#dataFolder, ...access, ...locale, "--no-sync"];
    await run(join(this.#place, "initdb"), args, { ...this.#identity, cwd: this.#folder });
  }

  async startAnywhere(): Promise<void> {
    for (let tries = 1; ; tries++) {
      this.port = await freePort(this.host);
      try {
        await this.start();
        return;
      } catch (error) {
        if (tries === START_TRIES) throw error;
      }
    }
  }

  async start(): Promise<void> {
    const address = ["-h", this.host, "-p", String(this.port), "-k", this.#folder];
    const child = spawn(join(this.#place, "postgres"), ["-D", this.#dataFolder, ...address], {
      ...this.#identity,
      cwd: this.#folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    let log = "";
    child.stderr.setEncoding("utf8");
    // Bounded: a test that runs long writes a line or two at each checkpoint.
    child.stderr.on("data", (text: string) => (log = (log + text).slice(-20_000)));
    const title = `PostgreSQL at ${this.host}:${this.port}`;
    const limits = { title, timeoutMs: READY_TIMEOUT_MS, log: () => log };
    try {
      await waitUntilReady(child, () => this.#isReady(), limits);
    } catch (error) {
      await endProcess(child, "SIGKILL");
      throw error;
    }
  }

  async kill(): Promise<void> {
    if (this.#child === null) return;
    const pids = await this.#backends(this.#child.pid ?? 0);
    await endProcess(this.#child, "SIGKILL");
    // Its own children notice when they next look; a start waits until none is left.
    for (const pid of pids) killIfThere(pid);
  }

  async command(name: string, database: string, args: readonly string[]): Promise<string> {
    return await run(join(this.#place, name), [...args, "-d", this.url(database)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // SIGINT is its "fast" shutdown: connections are ended, nothing is lost.
    if (this.#child !== null) await endProcess(this.#child, "SIGINT");
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  get #dataFolder(): string {
    return join(this.#folder, "data");
  }

  async #isReady(): Promise<boolean> {
    const args = ["-q", "-h", this.host, "-p", String(this.port), "-d", "postgres", "-U", USER];
    return await run(join(this.#place, "pg_isready"), args).then(
      () => true,
      () => false,
    );
  }

  /** The processes that the server started. */
  async #backends(pid: number): Promise<number[]> {
    const path = `/proc/${pid}/task/${pid}/children`;
    const text = await readFile(path, "utf8").catch(() => "");
    return text.trim().split(/\s+/).filter(Boolean).map(Number);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has noticed by itself.
  }
}

function binaryFolder(): string | undefined {
  const versions = existsSync(DEBIAN_FOLDER) ? readdirSync(DEBIAN_FOLDER) : [];
  const newestFirst = versions.toSorted((left, right) => Number(right) - Number(left));
  const places = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    ...newestFirst.map((version) => join(DEBIAN_FOLDER, version, "bin")),
  ];
  return places.find((place) => PROGRAMS.every((program) => existsSync(join(place, program))));
}

/** Whom it runs as. */
async function serverIdentity(): Promise<Identity> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) => Number(await run("id", [flag, "postgres"]))),
  );
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}
