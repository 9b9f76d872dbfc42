// SPDX-License-Identifier: Apache-2.0
/**
 * Asks an analysis from outside: one POST of JSON, an answer of JSON. The other side is not trusted
 * with anything but its verdict: each try has an end, an answer at most 64 KiB, no redirect is
 * followed, and what it says is cut to one line. Tries are repeated here and nowhere else.
 */
import { z } from "zod";
import { VERDICTS } from "../../domain/analysis.ts";
import { countOf } from "../../domain/units.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Ask, AnalysisRequest } from "./analysis-desk.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const MAX_ANSWER_BYTES = 65_536;
const MAX_REASON_LENGTH = 300;
const FIRST_BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 30_000;

const answerBody = z.object({ verdict: z.enum(VERDICTS), reason: z.string().default("") });
type Answer = z.infer<typeof answerBody>;

/** Why a try brought no answer, to be read after "no answer: ". */
class NoAnswer extends Error {}

export function createAnalysisClient(options: { fetch: Fetch; clock: Clock }): Ask {
  const { clock } = options;
  return async (policy, request, signal) => {
    for (let tries = 1; ; tries++) {
      try {
        return await askOnce(options, policy, request, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof NoAnswer)) throw error;
        if (tries > policy.retries) {
          const reason = `no answer after ${countOf(tries, "attempt")}: ${error.message}`;
          return { verdict: "inconclusive", reason };
        }
      }
      await delay(
        clock,
        Math.min(FIRST_BACK_OFF_MS * 2 ** (tries - 1), LONGEST_BACK_OFF_MS),
        signal,
      );
    }
  };
}

async function askOnce(
  { fetch, clock }: { fetch: Fetch; clock: Clock },
  { url, timeoutMs }: { url: string; timeoutMs: number },
  request: AnalysisRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const late = new AbortController();
  const cancel = clock.setTimer(timeoutMs, () => late.abort());
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(request),
      redirect: "manual",
      signal: AbortSignal.any([signal, late.signal]),
    });
    return readAnswer(response.status, await readBody(response));
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    if (late.signal.aborted) throw new NoAnswer(`it took longer than ${timeoutMs} ms`);
    throw new NoAnswer(`it cannot be reached (${causeOf(error)})`);
  } finally {
    cancel();
  }
}

/** Stops reading, and hangs up, as soon as it is too much. */
async function readBody(response: Response): Promise<string> {
  if (response.body === null) return "";
  const parts: Uint8Array[] = [];
  let byteCount = 0;
  for await (const part of response.body) {
    byteCount += part.byteLength;
    if (byteCount > MAX_ANSWER_BYTES) {
      throw new NoAnswer(`it sent more than ${MAX_ANSWER_BYTES / 1_024} KiB`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function readAnswer(status: number, body: string): Answer {
  if (status >= 300 && status < 400) throw new NoAnswer("it redirects, which is not followed");
  if (status !== 200) throw new NoAnswer(`it answered with status ${status}`);
  const parsed = answerBody.safeParse(jsonOf(body));
  if (parsed.success) return { ...parsed.data, reason: oneLine(parsed.data.reason) };
  throw new NoAnswer('what it sent is not { "verdict": "success" | "failure" | "inconclusive" }');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** It is shown on terminals and kept in the audit trail. */
function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return line.length <= MAX_REASON_LENGTH ? line : `${line.slice(0, MAX_REASON_LENGTH - 1)}…`;
}

/** The word of the system (`ECONNREFUSED`), where there is one. */
function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === "string" ? cause.code : (error as Error).message;
}
