// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps what the center signs for itself from running out, whatever nobody does: the timestamp
 * (a day) and the snapshot (a week). Takes no input, is idempotent, looks once an hour: the
 * timestamp is due at twelve hours, so a failing disk leaves eleven more tries.
 */
import { toMusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { TrustRepository } from "./trust-repository.ts";

const PERIOD_MS = 3_600_000;

/** Runs until the signal aborts; resolves then. */
export async function runTrustRenewal(options: {
  repository: TrustRepository;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { repository, clock, logger, signal } = options;
  while (!signal.aborted) {
    try {
      if (await repository.renewIfDue()) logger.info("signed the trust timestamp anew");
    } catch (cause) {
      const error = toMusterError(cause, "signing the trust timestamp anew");
      logger.error("signing the trust timestamp anew failed", { error });
    }
    await delay(clock, PERIOD_MS, signal).catch(() => undefined); // Aborted: the loop ends.
  }
}
