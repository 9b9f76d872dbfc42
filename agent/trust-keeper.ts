// SPDX-License-Identifier: Apache-2.0
/**
 * What the device believes: keeps the TUF client current over whichever gateway answers, on disk
 * after each step, and answers from it whether a release is the operator's and an offer the
 * center's.
 */
import { describeError, isMusterError } from "../domain/errors.ts";
import { MusterError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import { delay } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import type { OfferKeys } from "../protocol/device/enrolment.ts";
import type { OfferedRelease } from "../protocol/device/offer.ts";
import type { BlobSource } from "./download/blob-source.ts";
import type { GatewayCandidates } from "./link/gateway-candidates.ts";
import type { GateVerdict, OfferGate } from "./link/offer-gate.ts";
import type { Refused, ReleaseTrust } from "./release-preparer.ts";
import { OfferVerifier } from "./trust/offer-verifier.ts";
import type { TrustStateFile } from "./trust/trust-state.ts";
import type { TrustSource, TufClient } from "./trust/tuf-client.ts";
import type { WorkingTime } from "./trust/working-time.ts";

/** Tries of one refresh, each at the next gateway. A gateway may also be behind the center. */
const TRIES_MAX = 5;
/** Full jitter below this between tries. */
const PAUSE_MS = 4_000;
/** Two questions within this are answered from one refresh. */
const FRESH_MS = 2_000;

export interface TrustKeeperOptions {
  readonly client: TufClient;
  readonly stateFile: Pick<TrustStateFile, "save">;
  readonly source: BlobSource;
  readonly candidates: GatewayCandidates;
  readonly workingTime: WorkingTime;
  readonly tenant: string;
  readonly device: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class TrustKeeper implements ReleaseTrust, OfferGate {
  readonly #options: TrustKeeperOptions;
  /** The end of the line: the client takes one refresh at a time. */
  #line: Promise<unknown> = Promise.resolve();
  #refreshedMs = -Infinity;
  #verifier: { readonly keys: OfferKeys; readonly verifier: OfferVerifier } | null = null;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
  }

  offerKeys(): OfferKeys | null {
    return this.#options.client.offerKeys();
  }

  async check(
    release: OfferedRelease,
    signal: AbortSignal,
  ): Promise<{ readonly kind: "ok" } | Refused> {
    const { client } = this.#options;
    const { target, sha256, lengthBytes } = release;
    let wrong = "";
    const found = await this.#tryOften(signal, () => {
      const facts = client.targetFacts(target);
      if (facts?.sha256 === sha256 && facts.lengthBytes === lengthBytes) return true;
      wrong = facts === null ? "is not signed by the operator" : "is signed with another digest";
      return false;
    });
    if (found === true) return { kind: "ok" };
    if (found === false) {
      return { kind: "refused", reason: "untrusted-release", detail: `${target} ${wrong}` };
    }
    const reason = found.code === "untrusted" ? "untrusted-release" : "download-failed";
    return { kind: "refused", reason, detail: describeError(found) };
  }

  async verify(message: unknown, signal: AbortSignal): Promise<GateVerdict> {
    const verdict = this.#verifyNow(message);
    if (verdict?.kind === "signed") return verdict;
    // It may be signed by a key that was announced since; an offer is worth a few tries to know.
    let last: GateVerdict = verdict ?? { kind: "untrusted", detail: "no offer keys are known yet" };
    await this.#tryOften(signal, () => {
      last = this.#verifyNow(message) ?? last;
      return true;
    });
    return last;
  }

  /** Best effort, at start: so that the first offer need not wait. */
  async refreshAtStart(signal: AbortSignal): Promise<void> {
    if (this.offerKeys() !== null) return;
    const result = await this.#tryOften(signal, () => true);
    if (result !== true && result !== false) {
      this.#options.logger.warn("The trust metadata could not be refreshed yet.", {
        why: describeError(result),
      });
    }
  }

  /** Null while no keys are known. */
  #verifyNow(message: unknown): GateVerdict | null {
    const { tenant, device, workingTime } = this.#options;
    const keys = this.offerKeys();
    if (keys === null) return null;
    if (this.#verifier?.keys !== keys)
      this.#verifier = { keys, verifier: new OfferVerifier({ keys }) };
    const workingTimeMs = workingTime.nowMs();
    const verdict = this.#verifier.verifier.verify({ message, tenant, device, workingTimeMs });
    // Signed, but for another device or too late: the slot's worker says so, after what it knows.
    if (verdict.offer !== null) return { kind: "signed", offer: verdict.offer };
    return { kind: "untrusted", detail: verdict.ok ? "" : verdict.detail };
  }

  /** Refreshes until the answer is yes; the last answer or the last failure. */
  async #tryOften(signal: AbortSignal, ask: () => boolean): Promise<boolean | MusterError> {
    const { clock, random } = this.#options;
    let last: boolean | MusterError = false;
    for (let tryCount = 1; tryCount <= TRIES_MAX; tryCount += 1) {
      const failure = await this.#refresh(signal, tryCount > 1);
      last = failure ?? ask();
      if (last === true) return true;
      if (tryCount < TRIES_MAX) await delay(clock, random.next() * PAUSE_MS, signal);
    }
    return last;
  }

  /** Null when the client is current; its failure otherwise. */
  #refresh(signal: AbortSignal, isForced: boolean): Promise<MusterError | null> {
    const refreshed = this.#line.then(() => this.#refreshInTurn(signal, isForced));
    this.#line = refreshed.catch(() => {}); // The caller has the error.
    return refreshed;
  }

  async #refreshInTurn(signal: AbortSignal, isForced: boolean): Promise<MusterError | null> {
    const { client, stateFile, workingTime, candidates, clock, logger } = this.#options;
    signal.throwIfAborted();
    if (!isForced && clock.monotonicMs() - this.#refreshedMs < FRESH_MS) return null;
    const gateway = candidates.current();
    if (gateway === null) {
      return new MusterError({ code: "unavailable", message: "no gateway is known" });
    }
    try {
      const source = trustSource(this.#options.source, gateway);
      await client.refresh({ source, workingTimeMs: workingTime.nowMs(), signal });
      this.#refreshedMs = clock.monotonicMs();
      return null;
    } catch (error) {
      signal.throwIfAborted();
      if (!isMusterError(error)) throw error;
      logger.info("The trust metadata could not be refreshed.", {
        why: describeError(error),
        error,
      });
      candidates.moveOn(gateway);
      return error;
    } finally {
      await this.#keep(stateFile);
    }
  }

  /**
   * What verified is kept even where a later step failed; a full disk costs a download, no more.
   */
  async #keep(stateFile: Pick<TrustStateFile, "save">): Promise<void> {
    const { client, logger } = this.#options;
    try {
      await stateFile.save(client.state);
    } catch (error) {
      logger.warn("The trust metadata could not be kept on disk.", { error });
    }
  }
}

/** A gateway's files for the TUF client, which trusts none of them. */
function trustSource(
  source: BlobSource,
  gateway: Parameters<BlobSource["get"]>[0]["gateway"],
): TrustSource {
  return {
    metadata: (name, { maxBytes, signal }) =>
      readWhole({ source, gateway, path: `/tuf/${name}`, maxBytes, signal }),
    blob: async ({ sha256, lengthBytes }, { signal }) => {
      const path = `/artifacts/sha256/${sha256}`;
      const bytes = await readWhole({ source, gateway, path, maxBytes: lengthBytes, signal });
      if (bytes !== null) return bytes;
      throw new MusterError({ code: "unavailable", message: `the gateway has no ${path}` });
    },
  };
}

/** Null when there is no such file. */
async function readWhole(
  options: Omit<Parameters<BlobSource["get"]>[0], "fromByte"> & {
    source: BlobSource;
    maxBytes: number;
  },
): Promise<Uint8Array | null> {
  const { source, gateway, path, maxBytes, signal } = options;
  const answer = await source.get({ gateway, path, fromByte: 0, signal });
  if (answer.kind === "not-found") return null;
  if (answer.kind !== "bytes") {
    const message = `the gateway does not give ${path}: ${answer.kind}`;
    throw new MusterError({ code: "unavailable", message });
  }
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer.body) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) {
      const message = `${path} is longer than ${maxBytes} bytes`;
      throw new MusterError({ code: "untrusted", message });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
