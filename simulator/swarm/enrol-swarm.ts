// SPDX-License-Identifier: Apache-2.0
/**
 * Enrols pretended devices, a bounded number at once, each as a real device does: over EST, with a
 * key of its own and a one-time token.
 */
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { readEnrolmentToken } from "../../protocol/device/enrolment.ts";
import { enrolInMemory } from "../../agent/trust/enrol.ts";
import type { EnrolledIdentity } from "../../agent/trust/enrol.ts";
import type { WorkingTime } from "../../agent/trust/working-time.ts";
import type { IdentityWriter, SwarmAnchors, SwarmIdentity } from "./identity-book.ts";
import { Limiter } from "./limiter.ts";

/** An enrolment takes 12 ms of a core on each side and waits for the center's disk meanwhile. */
const CONCURRENT_ENROLMENTS = 24;
/** A center that restarts is away for less than these bridge. */
const TRIES_MAX = 5;
const PAUSE_MS = 2_000;

export interface EnrolSwarmOptions {
  readonly enrolmentUrl: string;
  readonly tokens: readonly string[];
  readonly tenant: string;
  readonly writer: IdentityWriter;
  readonly workingTime: WorkingTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** After each device. */
  readonly onEnrolled: () => void;
}

export interface EnrolledSwarm {
  readonly anchors: SwarmAnchors;
  readonly identities: readonly SwarmIdentity[];
}

/** The device that a token is for; throws `invalid_argument`. */
export function deviceOfToken(token: string, tenant: string): string {
  const claims = readEnrolmentToken(token.trim());
  if (claims?.role === "device" && claims.scope === tenant) return claims.id;
  throw new MusterError({
    code: "invalid_argument",
    message: `this is not an enrolment token of a device of tenant ${tenant}`,
    detail: { field: "tokens" },
  });
}

/** Null when there are no tokens. What was enrolled before a failure is kept by the writer. */
export async function enrolSwarm(options: EnrolSwarmOptions): Promise<EnrolledSwarm | null> {
  const { tokens, tenant, writer } = options;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const limiter = new Limiter({ placeCount: CONCURRENT_ENROLMENTS });
  let anchors: SwarmAnchors | null = null;
  const enrolOne = async (token: string): Promise<SwarmIdentity> => {
    const id = deviceOfToken(token, tenant);
    const { keyPem, certPem, caPem, root } = await tryOften({ ...options, token, signal });
    const identity = { id, keyPem, certPem };
    anchors = { tenant, caPem, root };
    await writer.append(anchors, identity);
    options.onEnrolled();
    return identity;
  };
  try {
    const identities = await Promise.all(
      tokens.map((token) => limiter.run(() => enrolOne(token), signal)),
    );
    return anchors === null ? null : { anchors, identities };
  } finally {
    failed.abort(); // The others need not go on when one cannot be enrolled.
  }
}

async function tryOften(
  options: EnrolSwarmOptions & { readonly token: string },
): Promise<EnrolledIdentity> {
  const { enrolmentUrl, token, workingTime, signal, clock, random } = options;
  for (let tryCount = 1; ; tryCount += 1) {
    try {
      return await enrolInMemory({ enrolmentUrl, token, workingTime, signal });
    } catch (error) {
      const mayPass =
        isMusterError(error) &&
        (error.code === "unavailable" || error.code === "deadline_exceeded");
      if (!mayPass || signal.aborted || tryCount === TRIES_MAX) throw error;
    }
    await delay(clock, random.next() * PAUSE_MS * tryCount, signal);
  }
}
