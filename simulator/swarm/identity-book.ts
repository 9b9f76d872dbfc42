// SPDX-License-Identifier: Apache-2.0
/**
 * The identities of a swarm, in one file instead of a folder a device: `identities-N.jsonl` (mode
 * 600), a line with what all share (tenant, CA, TUF root), then a line a device (key, certificate).
 * N is the number of the process that enrolled them; all files of the folder are read.
 *
 * A line is written when its device is enrolled, so that an interrupted enrolment is not lost; a
 * torn last line is a device that enrols again.
 */
import { mkdir, open, readdir, readFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";

const SCHEMA = "muster.swarm-identities/v1";
const FILE_PATTERN = /^identities-\d+\.jsonl$/;

/** What all devices of an installation trust. */
export interface SwarmAnchors {
  readonly tenant: string;
  readonly caPem: string;
  /** TUF root version 1, as pinned by the tokens. */
  readonly root: Buffer;
}

export interface SwarmIdentity {
  readonly id: string;
  readonly keyPem: string;
  readonly certPem: string;
}

export interface SwarmIdentities {
  readonly anchors: SwarmAnchors;
  readonly byId: ReadonlyMap<string, SwarmIdentity>;
}

const headSchema = z.object({
  schema: z.literal(SCHEMA),
  tenant: z.string(),
  caPem: z.string(),
  root: z.base64(),
});
const lineSchema = z.object({ id: z.string(), key: z.base64(), certificate: z.base64() });

/** Null when nobody was enrolled from this folder. Throws `corrupt`. */
export async function readIdentities(directory: string): Promise<SwarmIdentities | null> {
  const names = (await namesIn(directory)).filter((name) => FILE_PATTERN.test(name)).sort();
  let anchors: SwarmAnchors | null = null;
  const byId = new Map<string, SwarmIdentity>();
  for (const name of names) {
    const file = join(directory, name);
    const lines = wholeLines(await readFile(file, "utf8"));
    const [head, ...rest] = lines;
    if (head === undefined) continue;
    const own = readHead(head, file);
    if (anchors !== null && !sameAnchors(anchors, own)) throw otherInstallation(file);
    anchors = own;
    for (const [index, line] of rest.entries()) {
      const identity = readLine(line, file, index + 2);
      byId.set(identity.id, identity);
    }
  }
  return anchors === null ? null : { anchors, byId };
}

/** Appends identities. Throws `failed_precondition` when the file is of another installation. */
export class IdentityWriter {
  readonly #directory: string;
  readonly #file: string;
  #handle: FileHandle | null = null;
  #anchors: SwarmAnchors | null = null;
  /** The end of the line of writes. */
  #written: Promise<void> = Promise.resolve();

  constructor(options: { directory: string; part: number; anchors: SwarmAnchors | null }) {
    this.#directory = options.directory;
    this.#file = join(options.directory, `identities-${options.part}.jsonl`);
    this.#anchors = options.anchors;
  }

  append(anchors: SwarmAnchors, identity: SwarmIdentity): Promise<void> {
    this.#written = this.#written.then(() => this.#append(anchors, identity));
    return this.#written;
  }

  async close(): Promise<void> {
    await this.#written.catch(() => {}); // Whoever appended has the error.
    await this.#handle?.close();
  }

  async #append(anchors: SwarmAnchors, identity: SwarmIdentity): Promise<void> {
    if (this.#anchors !== null && !sameAnchors(this.#anchors, anchors)) {
      throw otherInstallation(this.#file);
    }
    this.#anchors = anchors;
    this.#handle ??= await this.#open(anchors);
    const { id, keyPem, certPem } = identity;
    const line = { id, key: pemBody(keyPem), certificate: pemBody(certPem) };
    await this.#handle.appendFile(`${JSON.stringify(line)}\n`);
  }

  async #open(anchors: SwarmAnchors): Promise<FileHandle> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const handle = await open(this.#file, "a+", 0o600);
    const text = await handle.readFile("utf8");
    // What follows a torn line would be torn with it.
    const wholeText = text.slice(0, text.lastIndexOf("\n") + 1);
    if (wholeText.length < text.length) await handle.truncate(Buffer.byteLength(wholeText));
    if (wholeText === "") {
      const { tenant, caPem, root } = anchors;
      const head = { schema: SCHEMA, tenant, caPem, root: root.toString("base64") };
      await handle.appendFile(`${JSON.stringify(head)}\n`);
    }
    return handle;
  }
}

function sameAnchors(one: SwarmAnchors, other: SwarmAnchors): boolean {
  return one.tenant === other.tenant && one.caPem === other.caPem && one.root.equals(other.root);
}

function otherInstallation(file: string): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message: "the pretended devices of this folder belong to another installation or tenant",
    detail: { file, hint: "give another --data folder, or remove this one" },
  });
}

function readHead(text: string, file: string): SwarmAnchors {
  const head = headSchema.safeParse(parseJson(text));
  if (!head.success) throw damaged(file, 1);
  const { tenant, caPem, root } = head.data;
  return { tenant, caPem, root: Buffer.from(root, "base64") };
}

function readLine(text: string, file: string, line: number): SwarmIdentity {
  const read = lineSchema.safeParse(parseJson(text));
  if (!read.success) throw damaged(file, line);
  const { id, key, certificate } = read.data;
  return { id, keyPem: pem("PRIVATE KEY", key), certPem: pem("CERTIFICATE", certificate) };
}

function damaged(file: string, line: number): MusterError {
  return new MusterError({
    code: "corrupt",
    message: "a kept identity of a pretended device does not read back",
    detail: { file, line, hint: "remove the file: its devices enrol again" },
  });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Lines that end; what follows the last line feed was torn. */
function wholeLines(text: string): readonly string[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Not JSON: every schema refuses null.
  }
}

function pemBody(text: string): string {
  return text.replaceAll(/-----[A-Z ]+-----|\s/g, "");
}

function pem(label: string, body: string): string {
  const lines = body.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
