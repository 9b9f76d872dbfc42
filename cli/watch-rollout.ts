// SPDX-License-Identifier: Apache-2.0
/**
 * Follows a rollout until it ends. On a terminal: one bar for the whole, one a wave, a line on
 * where devices are. Elsewhere: a plain line a change on standard error. With json or yaml each
 * change is data on standard output.
 *
 * When the center goes away in the middle (an upgrade), the watch waits for it to come back, for at
 * most `RETRY_MS`: the rollout goes on without it, within the gateways' leases.
 */
import { isMusterError, MusterError } from "../domain/errors.ts";
import { RolloutSchema, type Rollout } from "../protocol/gen/muster/v1/deploy_pb.ts";
import { delay } from "../ports/clock.ts";
import type { Session } from "./client.ts";
import type { OutputFormat } from "./output/format.ts";
import { toPlainData } from "./output/plain-data.ts";
import { printEvent } from "./output/print.ts";
import { createProgress, type Bar, type Progress } from "./progress/progress.ts";
import { required } from "./required.ts";
import { rolloutSentence } from "./rollout-change.ts";
import type { Shell } from "./shell.ts";
import { countIn, stateCounts } from "./views/amounts.ts";
import { ENDED_ATTEMPTS, progressLines, rolloutState } from "./views/rollouts.ts";

/** How long the center may be away before a watch gives up: an upgrade takes less. */
const RETRY_MS = 120_000;
const RETRY_STEP_MS = 1_000;

const ENDED_STATES: readonly string[] = ["succeeded", "stopped", "rolled-back", "expired"];

/** Sets exit status 1 unless the rollout ends in `goal`. */
export async function watchRollout(options: {
  shell: Shell;
  session: Session;
  name: string;
  format: OutputFormat;
  goal: "succeeded" | "rolled-back";
}): Promise<void> {
  const { shell, format } = options;
  const isTty = format === "table" && shell.stderr.isTTY === true;
  const final = await followRollout(options, isTty);
  if (format === "table") {
    await printEvent({
      shell,
      format,
      data: null,
      human: () => [rolloutSentence(final), ...progressLines(final)],
    });
  }
  if (rolloutState(final) !== options.goal) shell.setExitStatus(1);
}

/** Shows it until it has ended, or `isOver` says so. */
export async function followRollout(
  options: Parameters<typeof updates>[0] & { readonly format: OutputFormat },
  isTty: boolean,
  isOver: (rollout: Rollout) => boolean = () => false,
): Promise<Rollout> {
  const { shell, format } = options;
  using progress = createProgress({ stream: shell.stderr, isTty, clock: shell.clock });
  const picture = new RolloutPicture(progress);
  for await (const rollout of updates(options, progress)) {
    if (format === "table") picture.show(rollout);
    else {
      const data = toPlainData(RolloutSchema, rollout);
      await printEvent({ shell, format, data, human: () => [] });
    }
    if (ENDED_STATES.includes(rolloutState(rollout)) || isOver(rollout)) return rollout;
  }
  throw new MusterError({
    code: "unavailable",
    message: `watching rollout ${options.name} ended before the rollout did`,
    detail: { hint: `the rollout goes on; watch again: muster rollout watch ${options.name}` },
  });
}

/** The rollout after each change, across a restart of the center. */
async function* updates(
  options: { readonly shell: Shell; readonly session: Session; readonly name: string },
  progress: Progress,
): AsyncGenerator<Rollout> {
  const { shell, session, name } = options;
  let lostAtMs: number | null = null;
  let seen = false;
  for (;;) {
    try {
      const stream = session.client.watchRollout({ tenant: session.tenant, name }, session.call);
      for await (const { rollout } of stream) {
        lostAtMs = null;
        seen = true;
        yield required(rollout, "rollout");
      }
    } catch (error) {
      if (!seen || !isMusterError(error) || error.code !== "unavailable") throw error;
      const nowMs = shell.clock.monotonicMs();
      if (lostAtMs === null) progress.line("The center is away; waiting for it to come back.");
      lostAtMs ??= nowMs;
      if (nowMs - lostAtMs > RETRY_MS) throw error;
    }
    // Also after an orderly end of the stream: a center that shuts down closes its watches.
    await delay(shell.clock, RETRY_STEP_MS, session.call.signal);
  }
}

/** A rollout as bars. */
class RolloutPicture {
  readonly #progress: Progress;
  #whole: Bar | null = null;
  readonly #waves = new Map<number, Bar>();
  /** State and wave, and what was said of the rollout in them; counts apart. */
  #stage = "";
  readonly #said = new Set<string>();

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  show(rollout: Rollout): void {
    this.#say(rollout);
    const { plan, progress } = rollout;
    if (plan === undefined || progress === undefined) return;
    const done = countIn(progress.byState, ENDED_ATTEMPTS);
    this.#whole ??= this.#progress.bar("rollout", plan.deviceCount, "count", done);
    this.#whole.update(done, stateCounts(progress.byState));
    for (const wave of progress.waves) this.#showWave(plan.waves.length, wave);
    this.#progress.status(
      `${progress.unproven} unproven of at most ${plan.blastRadiusBound}, ` +
        `${progress.inFlight} in flight, ${progress.failures} failed`,
    );
  }

  /** Why it is where it is. Counts are in the bars, so they make no line of their own. */
  #say(rollout: Rollout): void {
    const sentence = rolloutSentence(rollout);
    const stage = `${rollout.state} ${rollout.progress?.wave ?? 0}`;
    if (stage !== this.#stage) this.#said.clear();
    this.#stage = stage;
    const words = sentence.replaceAll(/\d+/g, "#").replaceAll(/\b(attempt|device)s\b/g, "$1");
    if (!this.#said.has(words)) this.#progress.line(sentence);
    this.#said.add(words);
  }

  /** Waves are shown as they begin. */
  #showWave(
    waveCount: number,
    wave: { number: number; byState: { readonly [state: string]: number } },
  ): void {
    const total = Object.values(wave.byState).reduce((sum, count) => sum + count, 0);
    const waiting = wave.byState["pending"] ?? 0;
    if (total === 0 || (waiting === total && !this.#waves.has(wave.number))) return;
    const ended = countIn(wave.byState, ENDED_ATTEMPTS);
    let bar = this.#waves.get(wave.number);
    if (bar === undefined) {
      bar = this.#progress.bar(`wave ${wave.number}/${waveCount}`, total, "count", ended);
      this.#waves.set(wave.number, bar);
    }
    bar.update(ended);
    if (ended === total) bar.finish();
  }
}
