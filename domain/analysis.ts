// SPDX-License-Identifier: Apache-2.0
/**
 * An analysis from outside as a part of the gate: before every wave but the first, and before a
 * rollout ends as succeeded, somebody else's judgement is asked for. What is asked and where here;
 * what an answer does is in `analysis-step.ts`.
 */
import { MusterError } from "./errors.ts";

/** Whom the gate asks, and for how long it tries. */
export interface AnalysisPolicy {
  readonly url: string;
  /** Of one try. */
  readonly timeoutMs: number;
  /** After the first try. */
  readonly retries: number;
}

export const VERDICTS = ["success", "failure", "inconclusive"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** `overruled`: a person has resumed over an answer that was no success. */
export const QUESTION_STATES = [
  "asked",
  "success",
  "failure",
  "inconclusive",
  "overruled",
] as const;

/** The newest question of a rollout. */
export interface AnalysisQuestion {
  /** Index of the wave that would open; the number of waves = the end of the rollout. */
  readonly wave: number;
  readonly state: (typeof QUESTION_STATES)[number];
  /** When it was asked, or answered, by the rollout's clock. */
  readonly atMs: number;
  /** Of whoever answered; "" = not answered, or without a word. */
  readonly reason: string;
}

export const DEFAULT_ANALYSIS: Omit<AnalysisPolicy, "url"> = { timeoutMs: 10_000, retries: 3 };
/** A try that takes longer is no answer; who needs longer answers `inconclusive`. */
export const MAX_ANALYSIS_TIMEOUT_MS = 300_000;
export const MAX_ANALYSIS_RETRIES = 10;

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const URL_PARTS = /^(https?):\/\/([^/?#\s]+)[^#\s]*$/;

/** HTTPS, or HTTP to the center's own machine; no credentials, for everybody may read a spec. */
export function checkAnalysisUrl(url: string, field: string): void {
  const [, scheme, authority = ""] = URL_PARTS.exec(url) ?? [];
  const refuse = (problem: string): MusterError =>
    new MusterError({
      code: "invalid_argument",
      message: `${field === "" ? "" : `${field} `}${JSON.stringify(url)} ${problem}`,
      detail: { field, hint: "for example https://analysis.example/muster" },
    });
  if (scheme === undefined) throw refuse("is no URL of HTTPS");
  if (authority.includes("@")) throw refuse("has credentials in it, which everybody could read");
  if (scheme === "http" && !LOOPBACK.test(authority.replace(/:\d+$/, ""))) {
    throw refuse("is plain HTTP, which is for the center's own machine only (127.0.0.1)");
  }
}
