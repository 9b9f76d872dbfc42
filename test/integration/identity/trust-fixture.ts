// SPDX-License-Identifier: Apache-2.0
/**
 * A repository and its mirror for TUF tests: what a gateway would hand out, changeable by a test.
 */
import { hash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openTufClient } from "../../../agent/trust/tuf-client.ts";
import type { TrustSource, TufClient } from "../../../agent/trust/tuf-client.ts";
import { firstTrustState } from "../../../agent/trust/trust-state.ts";
import { OfferSigner } from "../../../center/identity/offer-signer.ts";
import { openTrustRepository } from "../../../center/identity/trust-repository.ts";
import type { PublishResult, TrustRepository } from "../../../center/identity/trust-repository.ts";
import { openFilesystemArtifactStore } from "../../../engines/filesystem/artifact-store.ts";
import type { ArtifactStore } from "../../../ports/artifact-store.ts";
import { generateEd25519Pem, readEd25519Pem } from "../../../protocol/trust/ed25519.ts";
import { addTarget, TARGETS_LIFETIME_MS } from "../../../protocol/trust/sign-targets.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { TestClock } from "./center-fixture.ts";

/** Never aborted. */
export const signal: AbortSignal = new AbortController().signal;

export interface TrustFixture {
  readonly folder: string;
  readonly clock: TestClock;
  readonly artifacts: ArtifactStore;
  readonly offerSigner: OfferSigner;
  repository: TrustRepository;
  /** Opens the repository again, as a restarted center does. */
  reopen(): Promise<TrustRepository>;
  /** Stores content and publishes it as a target, signed with the operator's key on disk. */
  publish(path: string, content: string): Promise<PublishResult>;
  /** Signs the next targets without publishing. */
  sign(path: string, content: string, keyFile?: string): Promise<Buffer>;
  /** Stores a blob. */
  put(content: string): Promise<void>;
}

export async function openTrust(context: TestContext): Promise<TrustFixture> {
  const folder = await mkdtemp(join(tmpdir(), "muster-tuf-"));
  context.after(() => rm(folder, { recursive: true }));
  const clock = new TestClock();
  const path = join(folder, "artifacts");
  const artifacts = await openFilesystemArtifactStore({ path, random: systemRandom, signal });
  const key = readEd25519Pem(generateEd25519Pem(), "offer key");
  const offerSigner = new OfferSigner({ key });
  const reopen = async (): Promise<TrustRepository> =>
    await openTrustRepository({
      directory: join(folder, "trust"),
      operatorDirectory: join(folder, "operator"),
      artifacts,
      offerKeys: [offerSigner.publicKeyRaw],
      clock,
      signal,
    });
  const put = async (content: string): Promise<void> => {
    const bytes = Buffer.from(content);
    const facts = { sha256: hash("sha256", bytes, "hex"), lengthBytes: bytes.length };
    await artifacts.put(facts, chunks(bytes), { signal });
  };
  const fixture: TrustFixture = {
    folder,
    clock,
    artifacts,
    offerSigner,
    repository: await reopen(),
    reopen,
    put,
    sign: async (target, content, keyFile = "targets.key.pem") =>
      addTarget({
        currentTargetsBytes: fixture.repository.currentTargets().bytes,
        path: target,
        content: { bytes: Buffer.from(content) },
        keyPem: await readFile(join(folder, "operator", keyFile), "utf8"),
        keyFile,
        expiresMs: clock.wallMs() + TARGETS_LIFETIME_MS,
      }),
    publish: async (target, content) => {
      await put(content);
      const bytes = await fixture.sign(target, content);
      const expectedVersion = fixture.repository.currentTargets().version;
      return await fixture.repository.publishTargets({ bytes, expectedVersion, signal });
    },
  };
  return fixture;
}

/** A gateway's copy of the files, taken now. A test may replace files: that is the attacker. */
export class Mirror implements TrustSource {
  readonly files: Map<string, Buffer>;
  readonly #artifacts: ArtifactStore;
  /** Replaces the content of every blob. */
  forgedBlob: Buffer | null = null;
  readonly asked: string[] = [];

  constructor(fixture: TrustFixture) {
    this.files = new Map(fixture.repository.files().map(({ name, bytes }) => [name, bytes]));
    this.#artifacts = fixture.artifacts;
  }

  async metadata(name: string): Promise<Uint8Array | null> {
    this.asked.push(name);
    return await Promise.resolve(this.files.get(name) ?? null);
  }

  async blob(facts: { sha256: string }): Promise<Uint8Array> {
    if (this.forgedBlob !== null) return this.forgedBlob;
    const parts: Uint8Array[] = [];
    for await (const part of this.#artifacts.read(facts.sha256, { signal })) parts.push(part);
    return Buffer.concat(parts);
  }
}

/** A device that has just enrolled with this repository. */
export function newDevice(fixture: TrustFixture): TufClient {
  return openTufClient({ state: firstTrustState(fixture.repository.rootFile(1)!) });
}

async function* chunks(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes;
}
