// SPDX-License-Identifier: Apache-2.0
/** The way to the center: does it answer, does it accept the token, do the clocks agree. */
import { isMusterError, type MusterError } from "../../domain/errors.ts";
import { createSession } from "../client.ts";
import { isLoopback, requireToken, resolveConnection, type Connection } from "../connection.ts";
import type { ConnectionOptions } from "../options.ts";
import { formatElapsed } from "../output/units.ts";
import type { Shell } from "../shell.ts";
import { fail, ok, warn, type CheckResult } from "./check.ts";
import { checkStorage } from "./storage-check.ts";

/** The center's answer tells the time to the second; more is a clock that is off. */
const CLOCK_WARN_MS = 5_000;
/** Certificates and tokens begin to be refused. */
const CLOCK_FAIL_MS = 60_000;
const ANSWER_TIMEOUT_MS = 10_000;

export interface CenterChecks {
  readonly results: readonly CheckResult[];
  /** Whether a center answers on this machine: it holds some of the ports. */
  readonly isHere: boolean;
}

export async function checkCenter(shell: Shell, options: ConnectionOptions): Promise<CenterChecks> {
  let connection: Connection;
  try {
    connection = await resolveConnection(shell, options);
  } catch (error) {
    if (!isMusterError(error)) throw error;
    const results = [fail("login", error.message, error.detail.hint ?? "")];
    return { results, isHere: false };
  }
  return ask(shell, connection);
}

async function ask(shell: Shell, connection: Connection): Promise<CenterChecks> {
  const { server } = connection;
  const session = createSession({ shell, connection });
  const sentAtMs = shell.clock.wallMs();
  let dateText: string | null = null;
  try {
    const status = await session.client.getStatus(
      {},
      {
        ...session.call,
        timeoutMs: ANSWER_TIMEOUT_MS,
        onHeader: (header) => {
          dateText = header.get("date");
        },
      },
    );
    const clock = checkClock(dateText, sentAtMs, shell.clock.wallMs());
    const results = [
      ok("center", `${server} answers, version ${status.version}`),
      ok("token", "is accepted"),
      ...clock,
      ...(await checkStorage(session, shell.clock.wallMs())),
    ];
    return { results, isHere: isLoopback(server) };
  } catch (error) {
    if (!isMusterError(error)) throw error;
    const results = await judge(shell, connection, error);
    const answered = error.code === "unauthenticated" || error.code === "permission_denied";
    return { results, isHere: answered && isLoopback(server) };
  }
}

async function judge(
  shell: Shell,
  connection: Connection,
  error: MusterError,
): Promise<CheckResult[]> {
  const { server } = connection;
  const hint = error.detail.hint ?? "";
  if (error.code !== "unauthenticated" && error.code !== "permission_denied") {
    return [fail("center", error.message, hint)];
  }
  const answers = ok("center", `${server} answers`);
  if (connection.token !== null) {
    const advice = hint === "" ? "log in with another token: muster login" : hint;
    return [answers, fail("token", error.message, advice)];
  }
  const advice = await requireToken(connection, shell.environment).then(
    () => "",
    (missing: MusterError) => missing.detail.hint ?? "",
  );
  return [answers, fail("token", "no operator token is known", advice)];
}

/** The middle of the call is the best guess of when the center looked at its clock. */
export function checkClock(
  dateText: string | null,
  sentAtMs: number,
  answeredAtMs: number,
): CheckResult[] {
  const theirsMs = dateText === null ? Number.NaN : Date.parse(dateText);
  if (Number.isNaN(theirsMs)) return [];
  const differenceMs = Math.abs(theirsMs + 500 - (sentAtMs + answeredAtMs) / 2);
  const found = `differs from the center's by ${formatElapsed(differenceMs)}`;
  const advice = "set the clock: let chrony or systemd-timesyncd do it";
  if (differenceMs > CLOCK_FAIL_MS) return [fail("clock", found, advice)];
  if (differenceMs > CLOCK_WARN_MS) return [warn("clock", found, advice)];
  return [ok("clock", "agrees with the center's")];
}
