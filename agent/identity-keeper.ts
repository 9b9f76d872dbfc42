// SPDX-License-Identifier: Apache-2.0
/**
 * Who the device is: enrols it at its first start, renews its certificate when less than a third of
 * its life remains, and says what to show a peer. A center that cannot be reached is waited for,
 * for ever; a token that is refused is an answer, and ends the start.
 */
import { isMusterError, MusterError } from "../domain/errors.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import { delay } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import {
  certificateDates,
  certificateIdentity,
  readCertificate,
} from "../protocol/trust/certificate-identity.ts";
import { Backoff } from "./link/backoff.ts";
import type { ProxyFor } from "./link/proxy-rules.ts";
import { enrol, reenrol } from "./trust/enrol.ts";
import { IdentityFiles } from "./trust/identity-files.ts";
import type { StoredIdentity } from "./trust/identity-files.ts";
import type { WorkingTime } from "./trust/working-time.ts";

/** How often the certificate's remaining life is looked at. */
const RENEWAL_INTERVAL_MS = 3_600_000;
/** Full jitter over this, so that a fleet enrolled in one minute does not renew in one. */
const RENEWAL_JITTER_MS = 600_000;
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "unavailable",
  "deadline_exceeded",
  "resource_exhausted",
]);

export interface IdentityKeeperOptions {
  readonly dataDirectory: string;
  readonly enrolmentUrl: string;
  readonly proxyFor: ProxyFor | undefined;
  /** Needed once; null = the device is enrolled already. */
  readonly token: string | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly workingTime: WorkingTime;
}

export class IdentityKeeper {
  readonly #options: IdentityKeeperOptions;
  readonly tenant: string;
  readonly device: string;
  #stored: StoredIdentity;

  constructor(
    options: IdentityKeeperOptions & { stored: StoredIdentity; tenant: string; device: string },
  ) {
    this.#options = options;
    this.#stored = options.stored;
    this.tenant = options.tenant;
    this.device = options.device;
  }

  get stored(): StoredIdentity {
    return this.#stored;
  }

  /** Milliseconds since 1970. */
  get certificateEndsMs(): number {
    return certificateDates(this.#certificate()).notAfterMs;
  }

  /** Until the signal: renews when it is due. */
  async renewInTime(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    try {
      for (;;) {
        if (this.#isDue()) await this.#renew(signal);
        await delay(clock, RENEWAL_INTERVAL_MS + random.next() * RENEWAL_JITTER_MS, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      logger.debug("Renewing has stopped.");
    }
  }

  #isDue(): boolean {
    const { notBeforeMs, notAfterMs } = certificateDates(this.#certificate());
    const remainingMs = notAfterMs - this.#options.workingTime.nowMs();
    return remainingMs < (notAfterMs - notBeforeMs) / 3;
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { dataDirectory, enrolmentUrl, proxyFor, workingTime, logger } = this.#options;
    try {
      this.#stored = await reenrol({
        directory: dataDirectory,
        enrolmentUrl,
        proxyFor,
        workingTime,
        signal,
      });
      logger.info("Renewed the certificate.", { certificateEndsMs: this.certificateEndsMs });
    } catch (error) {
      if (signal.aborted || !isMusterError(error)) throw error;
      logger.warn("The certificate could not be renewed; it is tried again within the hour.", {
        error,
      });
    }
  }

  #certificate(): ReturnType<typeof readCertificate> {
    return readCertificate(this.#stored.certPem, "the device's certificate");
  }
}

/** The device's identity, enrolling it first where it has none. */
export async function openIdentity(
  options: IdentityKeeperOptions & { signal: AbortSignal },
): Promise<IdentityKeeper> {
  const { dataDirectory } = options;
  const kept = await new IdentityFiles({ directory: dataDirectory }).load();
  const stored = kept ?? (await enrolAtLast(options));
  const certificate = readCertificate(stored.certPem, "the device's certificate");
  const identity = certificateIdentity(certificate);
  if (identity?.role !== "device") {
    throw new MusterError({
      code: "failed_precondition",
      message: "the identity in the data folder is not that of a device",
      detail: { file: dataDirectory, hint: "enrol with a token made by muster device enroll" },
    });
  }
  const { tenant, device } = identity;
  return new IdentityKeeper({ ...options, stored, tenant, device });
}

async function enrolAtLast(
  options: IdentityKeeperOptions & { signal: AbortSignal },
): Promise<StoredIdentity> {
  const { dataDirectory, enrolmentUrl, proxyFor, token, workingTime } = options;
  const { clock, logger, signal } = options;
  if (token === null) {
    throw new MusterError({
      code: "failed_precondition",
      message: "this device is not enrolled and was given no token",
      detail: { file: dataDirectory, hint: "make one with muster device enroll and pass it once" },
    });
  }
  const backoff = new Backoff({ random: options.random });
  for (;;) {
    try {
      const directory = dataDirectory;
      const shared = { directory, enrolmentUrl, proxyFor, workingTime, signal };
      const enrolled = await enrol({ ...shared, token, role: "device" });
      logger.info("Enrolled the device.", { identity: enrolled.identity });
      return enrolled;
    } catch (error) {
      signal.throwIfAborted();
      if (!isMusterError(error) || !PASSING.has(error.code)) throw error;
      const { delayMs } = backoff.fail();
      logger.warn("The center cannot be reached to enrol; it is tried again.", { error, delayMs });
      await delay(clock, delayMs, signal);
    }
  }
}
