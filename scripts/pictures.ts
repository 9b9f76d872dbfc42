// SPDX-License-Identifier: Apache-2.0
//
// `node scripts/pictures.ts [NAME…]`: draws the pictures of docs/pictures, each from a rehearsal of
// one of the examples on a model installation. They are committed; a test draws them again.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { readSpec } from "../center/api/rollout-spec.ts";
import { RehearsalThread } from "../center/rehearsal/rehearsal-thread.ts";
import type { Play, RehearsalScript } from "../center/rehearsal/rehearsal.ts";
import { readRollout, toJson } from "../center/rollouts/rollout-record.ts";
import { loadText } from "../cli/documents/load-documents.ts";
import { toRolloutSpec } from "../cli/documents/rollout-document.ts";
import type { RolloutSpec } from "../domain/rollout.ts";
import { RolloutSpecSchema } from "../protocol/gen/muster/v1/deploy_pb.ts";
import { drawFilm } from "./pictures/draw-film.ts";
import { drawPlay } from "./pictures/draw.ts";
import { playFilm, type Deed } from "./pictures/film.ts";
import { FILMS, type FilmedPicture } from "./pictures/films.ts";
import { scriptFor, type Circumstances } from "./pictures/model-installation.ts";
import { root } from "./stage.ts";

/** Where they are, from the root. */
export const PICTURES_FOLDER = "docs/pictures";

export interface Picture {
  /** Of the file, without `.svg`. */
  readonly name: string;
  /** What is played, from the root. */
  readonly example: string;
  readonly title: string;
  /** Of the devices, or of those that the selector names, 0–1. */
  readonly brokenShare: number;
  readonly brokenSelector?: string;
}

const PICTURES: readonly Picture[] = [
  {
    name: "strategy-fixed",
    example: "examples/rollout.yaml",
    title: "fixed waves: 1 device, 1 %, 10 %, the rest",
    brokenShare: 0,
  },
  {
    name: "strategy-exponential",
    example: "examples/rollout-exponential.yaml",
    title: "exponential: each wave twice the one before",
    brokenShare: 0,
  },
  {
    name: "strategy-adaptive",
    example: "examples/rollout-adaptive.yaml",
    title: "adaptive: what is in flight follows success",
    brokenShare: 0.006,
  },
  {
    name: "gate-sequential",
    example: "examples/rollout-sequential.yaml",
    title: "sequential test: of a release that breaks 5 %",
    brokenShare: 0.05,
  },
  {
    name: "gate-slices",
    example: "examples/rollout-slices.yaml",
    title: "a slice is held: half of rev-b breaks",
    brokenShare: 0.5,
    brokenSelector: "inventory.hwRevision = rev-b",
  },
  {
    name: "windows",
    example: "examples/rollout-windows.yaml",
    title: "install windows: a good release, night by night",
    brokenShare: 0,
  },
];

/** The picture's SVG text. */
export async function drawPicture(picture: Picture | FilmedPicture): Promise<string> {
  return "series" in picture ? drawFilmed(picture) : drawPlayed(picture);
}

async function drawPlayed(picture: Picture): Promise<string> {
  const { example, title, brokenShare, brokenSelector = "" } = picture;
  const spec = await specOf(example);
  const script = await scriptFor({ ...spec, selector: "" }, { brokenSelector });
  const play = await playOnce(script, brokenShare);
  return drawPlay(play, { title, blastRadius: script.plan.limits.blastRadius });
}

async function drawFilmed(picture: FilmedPicture): Promise<string> {
  const { example, brokenShare = 0, answers = [], stepMs = 10_000 } = picture;
  const { deeds = START_AT_ONCE } = picture;
  const spec: RolloutSpec = { ...(await specOf(example)), selector: "" };
  const { approval, gate } = spec;
  const { beside, ...circumstances } = picture;
  const script = await scriptFor(spec, {
    ...circumstances,
    ...(beside === undefined ? {} : { beside: await besideOf(beside) }),
  });
  const asked = approval === "required" || gate.analysis !== null ? asReviewed(script) : script;
  const film = await playFilm({ ...picture, script: asked, brokenShare, deeds, answers, stepMs });
  return drawFilm(film, picture);
}

async function besideOf(
  beside: NonNullable<FilmedPicture["beside"]>,
): Promise<NonNullable<Circumstances["beside"]>> {
  const { example, release, ...more } = beside;
  return { ...more, spec: { ...(await specOf(example)), selector: "", release } };
}

const START_AT_ONCE: readonly Deed[] = [{ atMs: 0, action: "start", rollout: 1, label: "" }];

async function specOf(example: string): Promise<RolloutSpec> {
  const [loaded] = loadText(await readFile(join(root, example), "utf8"), example);
  if (loaded?.kind !== "rollout") throw new Error(`${example} is no rollout`);
  return readSpec(create(RolloutSpecSchema, toRolloutSpec(loaded.document)));
}

/** A rehearsal asks nobody; this one has its analysis, and awaits its approval, after all. */
function asReviewed(script: RehearsalScript): RehearsalScript {
  const { spec, documents } = script;
  return {
    ...script,
    documents: documents.map((document) => {
      if (document.kind !== "rollout") return document;
      const record = readRollout({ ...document, revision: 1 });
      const state = spec.approval === "required" ? "awaiting-approval" : record.progress.state;
      const progress = { ...record.progress, state };
      return { ...document, value: toJson({ ...record, spec, progress }) };
    }),
  };
}

async function playOnce(
  script: Parameters<RehearsalThread["run"]>[0],
  brokenShare: number,
): Promise<Play> {
  const { signal } = new AbortController();
  const scenarios = [{ brokenShare, silentShare: 0, seed: 1 }];
  for await (const news of new RehearsalThread().run(script, scenarios, signal)) {
    if (news.kind === "play") return news.play;
  }
  throw new Error("a rehearsal without a play");
}

/** Every picture there is. */
export const ALL_PICTURES: readonly (Picture | FilmedPicture)[] = [...PICTURES, ...FILMS];

if (import.meta.main) {
  const wanted = process.argv.slice(2);
  await mkdir(join(root, PICTURES_FOLDER), { recursive: true });
  for (const picture of ALL_PICTURES) {
    if (wanted.length > 0 && !wanted.includes(picture.name)) continue;
    const file = `${PICTURES_FOLDER}/${picture.name}.svg`;
    await writeFile(join(root, file), await drawPicture(picture));
    console.error(`pictures: ${file} is drawn.`);
  }
}
