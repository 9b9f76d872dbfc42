// SPDX-License-Identifier: Apache-2.0
//
// A rehearsal that is played for a picture: rollouts of the model installation on virtual time,
// with what people and analyses do at given moments, and any figures that the picture is about. The
// center's own rollout loop decides everything else.

import { RehearsalClock } from "../../center/rehearsal/rehearsal-clock.ts";
import { RehearsedCenter } from "../../center/rehearsal/rehearsed-center.ts";
import type { RehearsalScript } from "../../center/rehearsal/rehearsal.ts";
import type { CommandAction } from "../../center/rollouts/loop-inbox.ts";
import type { OpenRollout } from "../../center/rollouts/open-rollout.ts";
import type { Verdict } from "../../domain/analysis.ts";
import { openDirectEventLog } from "../../engines/embedded/event-log.ts";
import { openDirectSqliteStore } from "../../engines/sqlite/direct-store.ts";
import { newcomersOf } from "./model-installation.ts";

export interface Deed {
  readonly atMs: number;
  /** `join`: the selector names the script's newcomers from then on. */
  readonly action: CommandAction | "join";
  /** Number of the rollout. */
  readonly rollout: number;
  /** What stands at its line; "" = no line. */
  readonly label: string;
}

/** The answers of an analysis, in the order of its questions. */
export interface FilmedAnswer {
  readonly afterMs: number;
  readonly verdict: Verdict;
}

/** By number; one that was not opened yet is not there. */
export type Cast = ReadonlyMap<number, OpenRollout>;

export interface FilmOptions {
  readonly script: RehearsalScript;
  readonly brokenShare: number;
  /** The first one starts the film's own rollout, if nothing else does. */
  readonly deeds: readonly Deed[];
  readonly answers: readonly FilmedAnswer[];
  readonly endMs: number;
  readonly stepMs: number;
  readonly series: readonly { readonly of: (cast: Cast) => number }[];
}

export interface Film {
  readonly points: readonly { readonly atMs: number; readonly values: readonly number[] }[];
  readonly marks: readonly { readonly atMs: number; readonly label: string }[];
}

/** More columns than this no picture has, and no more lines that can be told apart. */
const COLUMNS = 360;
const MARKS = 60;

export async function playFilm(options: FilmOptions): Promise<Film> {
  const { script, brokenShare, endMs, stepMs } = options;
  const store = openDirectSqliteStore({
    path: ":memory:",
    clock: new RehearsalClock(script.startAtMs),
  });
  const log = openDirectEventLog({ path: ":memory:" });
  const scenario = { brokenShare, silentShare: 0, seed: 1 };
  await using center = await RehearsedCenter.open(script, scenario, { store, log });
  center.fleet.begin();
  const stage = new Stage(options, center);
  for (let nowMs = 0; nowMs < endMs;) {
    stage.act(nowMs);
    await center.step(nowMs);
    stage.look(nowMs);
    nowMs = Math.ceil(Math.min(nowMs + stepMs, Math.max(center.fleet.nextAtMs, nowMs + 200)));
  }
  return { points: inColumns(stage.points, endMs), marks: stage.marks };
}

class Stage {
  readonly points: { atMs: number; values: number[] }[] = [];
  readonly marks: { atMs: number; label: string }[] = [];
  private readonly options: FilmOptions;
  private readonly center: RehearsedCenter;
  private readonly cast = new Map<number, OpenRollout>();
  private readonly names: ReadonlyMap<number, string>;
  private deeds: Deed[];
  private answers: FilmedAnswer[];
  private waveCount = 0;
  /** When the question that is open is answered. */
  private answerAtMs: number | null = null;

  constructor(options: FilmOptions, center: RehearsedCenter) {
    this.options = options;
    this.center = center;
    this.deeds = [...options.deeds];
    this.answers = [...options.answers];
    this.names = namesOf(options.script);
  }

  act(nowMs: number): void {
    while (this.deeds[0] !== undefined && this.deeds[0].atMs <= nowMs) {
      const { action, rollout, label } = this.deeds.shift() as Deed;
      if (action === "join") {
        this.center.join({ rollout, joiners: newcomersOf(this.options.script) });
      } else this.center.command(action, this.names.get(rollout) ?? "");
      if (label !== "") this.mark(nowMs, label);
    }
    if (this.answerAtMs === null || nowMs < this.answerAtMs) return;
    this.answerAtMs = null;
    const { rolloutNumber: rollout } = this.options.script;
    const wave = this.cast.get(rollout)?.record.progress.analysis?.wave ?? 0;
    const verdict = this.answers.shift()?.verdict ?? "success";
    const answer = { kind: "analysis-answered", wave, verdict, reason: "" } as const;
    this.center.answer({ rollout, answer });
    this.mark(nowMs, verdict);
  }

  /** What one line cannot be told from the next shares one. */
  private mark(nowMs: number, label: string): void {
    const last = this.marks.at(-1);
    if (last === undefined || nowMs - last.atMs > this.options.endMs / MARKS) {
      this.marks.push({ atMs: nowMs, label });
    } else last.label += ` ${label}`;
  }

  look(nowMs: number): void {
    for (const rollout of this.center.openRollouts) this.cast.set(rollout.record.number, rollout);
    this.points.push({ atMs: nowMs, values: this.options.series.map(({ of }) => of(this.cast)) });
    const own = this.cast.get(this.options.script.rolloutNumber);
    if (own === undefined) return;
    const { waveCount, analysis } = own.record.progress;
    if (waveCount > this.waveCount) this.mark(nowMs, String(waveCount));
    this.waveCount = waveCount;
    if (analysis?.state === "asked" && this.answerAtMs === null) {
      this.answerAtMs = nowMs + (this.answers[0]?.afterMs ?? 0);
    }
  }
}

function namesOf({ documents }: RehearsalScript): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const { kind, value } of documents) {
    if (kind !== "rollout") continue;
    const { number, name } = value as { number: number; name: string };
    names.set(number, name);
  }
  return names;
}

/** The last values of each column of the picture. */
function inColumns(points: Film["points"], endMs: number): Film["points"] {
  const kept = points.filter(({ atMs }, index) => {
    const next = points[index + 1];
    if (next === undefined) return true;
    return Math.floor((atMs / endMs) * COLUMNS) !== Math.floor((next.atMs / endMs) * COLUMNS);
  });
  const last = points.at(-1);
  return last === undefined ? [] : [...kept, { ...last, atMs: endMs }];
}
