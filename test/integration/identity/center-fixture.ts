// SPDX-License-Identifier: Apache-2.0
/**
 * The identity half of a center for tests: real files below a temporary folder, a real store, a
 * real enrolment listener on a free loopback port. The clock is settable; disposed at the test's
 * end.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { WorkingTime } from "../../../agent/trust/working-time.ts";
import { openCertificateAuthority } from "../../../center/identity/certificate-authority.ts";
import type { CertificateAuthority } from "../../../center/identity/certificate-authority.ts";
import { createEnrolmentToken } from "../../../center/identity/enrolment-tokens.ts";
import type { TokenGrant } from "../../../center/identity/enrolment-tokens.ts";
import { startEstServer } from "../../../center/identity/est-server.ts";
import { openOfferSigner } from "../../../center/identity/offer-signer.ts";
import type { OfferSigner } from "../../../center/identity/offer-signer.ts";
import { createServerCertificate } from "../../../center/identity/server-certificate.ts";
import type { ServerCertificate } from "../../../center/identity/server-certificate.ts";
import { openTrustRepository } from "../../../center/identity/trust-repository.ts";
import type { TrustRepository } from "../../../center/identity/trust-repository.ts";
import { openFilesystemArtifactStore } from "../../../engines/filesystem/artifact-store.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import type { ArtifactStore } from "../../../ports/artifact-store.ts";
import type { Clock } from "../../../ports/clock.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { Store } from "../../../ports/store.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";

/** A clock whose wall time a test moves; the rest is the machine's. */
export class TestClock implements Clock {
  #offsetMs = 0;

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  wallMs(): number {
    return systemClock.wallMs() + this.#offsetMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    return systemClock.setTimer(delayMs, callback);
  }

  /** Moves wall time, forward or back. */
  advance(byMs: number): void {
    this.#offsetMs += byMs;
  }
}

export const DAY_MS = 86_400_000;

export interface CenterFixture {
  readonly folder: string;
  readonly clock: TestClock;
  readonly store: Store;
  readonly artifacts: ArtifactStore;
  readonly authority: CertificateAuthority;
  readonly trust: TrustRepository;
  readonly offerSigner: OfferSigner;
  readonly serverCertificate: ServerCertificate;
  readonly port: number;
  readonly enrolmentUrl: string;
  readonly signal: AbortSignal;
  /** Commits a token for a device of the tenant `default`, or for the grant given. */
  token(grant: string | TokenGrant, lifetimeMs?: number): Promise<string>;
}

/** Starts it; `context` stops it. */
export async function startCenter(context: TestContext): Promise<CenterFixture> {
  const folder = await mkdtemp(join(tmpdir(), "muster-identity-"));
  const clock = new TestClock();
  const { signal } = new AbortController();
  const store = openDirectSqliteStore({ path: ":memory:", clock: systemClock });
  const artifacts = await openFilesystemArtifactStore({
    path: join(folder, "artifacts"),
    random: systemRandom,
    signal,
  });
  const authority = await openCertificateAuthority({
    directory: join(folder, "ca"),
    clock,
    random: systemRandom,
  });
  const offerSigner = await openOfferSigner({ directory: join(folder, "offers") });
  const trust = await openTrustRepository({
    directory: join(folder, "trust"),
    operatorDirectory: join(folder, "operator"),
    artifacts,
    offerKeys: [offerSigner.publicKeyRaw],
    clock,
    signal,
  });
  const serverCertificate = await createServerCertificate({
    authority,
    hosts: ["localhost", "127.0.0.1"],
    clock,
    logger: SILENT_LOGGER,
  });
  const server = await startEstServer({
    host: "127.0.0.1",
    port: 0,
    store,
    authority,
    serverCertificate,
    trust,
    offerSigner,
    directory: () => ({ gateways: [DIRECTORY_GATEWAY] }),
    clock,
    random: systemRandom,
    logger: SILENT_LOGGER,
  });
  context.after(async () => {
    await server[Symbol.asyncDispose]();
    serverCertificate[Symbol.dispose]();
    await store.close();
    await rm(folder, { recursive: true });
  });
  const token = async (grant: string | TokenGrant, lifetimeMs = DAY_MS): Promise<string> => {
    const created = createEnrolmentToken({
      grant:
        typeof grant === "string"
          ? { role: "device", scope: "default", id: grant, hosts: [] }
          : grant,
      caSha256: authority.caSha256,
      rootSha256: trust.rootSha256,
      nowMs: clock.wallMs(),
      lifetimeMs,
      random: systemRandom,
    });
    const committed = await store.commit({ documents: [created.write], audit: [] }, { signal });
    if (!committed.ok) throw new Error(`the token was not stored: ${committed.reason}`);
    return created.token;
  };
  return {
    folder,
    clock,
    store,
    artifacts,
    authority,
    trust,
    offerSigner,
    serverCertificate,
    port: server.port,
    enrolmentUrl: `https://127.0.0.1:${server.port}`,
    signal,
    token,
  };
}

export const DIRECTORY_GATEWAY = {
  gateway: "gw-1",
  region: "north",
  host: "127.0.0.1",
  mqttsPort: 8_883,
  artifactsPort: 7_444,
};

/** The working time of a device whose own clock says `wallMs`; default: is right. */
export function deviceTime(wallMs?: number): WorkingTime {
  const clock = wallMs === undefined ? systemClock : { ...systemClock, wallMs: () => wallMs };
  return new WorkingTime({ clock, floorMs: 0 });
}

/** Options of a client of this center whose clock is right. */
export function toCenter(center: CenterFixture): {
  enrolmentUrl: string;
  signal: AbortSignal;
  workingTime: WorkingTime;
} {
  const { enrolmentUrl, signal } = center;
  return { enrolmentUrl, signal, workingTime: deviceTime() };
}
