// SPDX-License-Identifier: Apache-2.0
//
// The pictures whose subject is not in the counts that every rehearsal has: who is in flight at one
// site, who goes back, who comes first, what people and analyses do.

import type { OpenRollout } from "../../center/rollouts/open-rollout.ts";
import { ATTEMPT, isUnderWay } from "../../domain/attempt.ts";
import { COLOURS } from "./draw.ts";
import type { FilmedSeries } from "./draw-film.ts";
import type { Cast, Deed, FilmedAnswer } from "./film.ts";
import { gatewayOf, isCritical, siteOf, type Circumstances } from "./model-installation.ts";

export interface FilmedPicture extends Omit<Circumstances, "beside"> {
  /** Of the file, without `.svg`. */
  readonly name: string;
  /** What is played, from the root. */
  readonly example: string;
  /** Another example on the same devices, with a release of its own. */
  readonly besideExample?: string;
  readonly title: string;
  readonly brokenShare?: number;
  /** Default: it is started at once. */
  readonly deeds?: readonly Deed[];
  readonly answers?: readonly FilmedAnswer[];
  readonly endMs: number;
  /** Default: ten seconds. */
  readonly stepMs?: number;
  readonly series: readonly (FilmedSeries & { readonly of: (cast: Cast) => number })[];
}

const MINUTE_MS = 60_000;
const HOUR_MS: number = 60 * MINUTE_MS;
/** Of the film's own rollout, of its rollback, and of the one beside it. */
const OWN = 1;
const ROLLBACK = 2;
const BESIDE = 3;
const SECOND_COLOUR = "#7c3aed";

type Series = FilmedPicture["series"][number];

function figure(
  name: string,
  colour: string,
  of: (rollout: OpenRollout) => number,
  more: { number?: number; limit?: number } = {},
): Series {
  const { number = OWN, ...limit } = more;
  return {
    name,
    colour,
    ...limit,
    of: (cast) => {
      const rollout = cast.get(number);
      return rollout === undefined ? 0 : of(rollout);
    },
  };
}

const accepted = figure("accepted", COLOURS.accepted, ({ total }) => total.exposed);
const succeeded = figure("succeeded", COLOURS.succeeded, succeededOf);
const failed = (limit?: number): Series =>
  figure(
    "failed",
    COLOURS.failed,
    ({ total }) => total.failures,
    limit === undefined ? {} : { limit },
  );

function succeededOf({ total }: OpenRollout): number {
  return total.byState[ATTEMPT.succeeded] ?? 0;
}

/** Accepted devices that are critical, or that are not. */
function acceptedOf(rollout: OpenRollout, critical: boolean): number {
  return count(rollout, (state, ordinal) => {
    return state >= ATTEMPT.accepted && state <= ATTEMPT.lost && isCritical(ordinal) === critical;
  });
}

function count(rollout: OpenRollout, counts: (state: number, ordinal: number) => boolean): number {
  let found = 0;
  for (let position = 0; position < rollout.plan.deviceCount; position++) {
    if (counts(rollout.stateAt(position), rollout.ordinalAt(position))) found++;
  }
  return found;
}

/** Devices in flight at the place that has most of them. */
function busiest(rollout: OpenRollout, placeOf: (ordinal: number) => number): number {
  const byPlace = new Map<number, number>();
  for (let position = 0; position < rollout.plan.deviceCount; position++) {
    const state = rollout.stateAt(position);
    if (state !== ATTEMPT.offered && !isUnderWay(state)) continue;
    const place = placeOf(rollout.ordinalAt(position));
    byPlace.set(place, (byPlace.get(place) ?? 0) + 1);
  }
  return Math.max(0, ...byPlace.values());
}

export const FILMS: readonly FilmedPicture[] = [
  {
    name: "gate-counts",
    example: "examples/rollout-counts.yaml",
    title: "counts: at the twentieth failure it stops",
    brokenShare: 0.05,
    endMs: 70 * MINUTE_MS,
    series: [accepted, succeeded, failed(20)],
  },
  {
    name: "gate-sites",
    example: "examples/rollout-power-cuts.yaml",
    title: "sites: one fails as a whole, and it goes on",
    brokenShare: 1,
    brokenSelector: "site = site-7",
    endMs: 110 * MINUTE_MS,
    series: [
      figure("failed devices", COLOURS.failed, ({ total }) => total.failures),
      figure("failed sites", SECOND_COLOUR, ({ sight }) => sight.tally.sites.failed),
      figure("sites reached", COLOURS.accepted, ({ sight }) => sight.tally.sites.accepted),
    ],
  },
  {
    name: "gate-analysis",
    example: "examples/rollout-analysis.yaml",
    title: "analysis: success opens a wave; a person decides what is inconclusive",
    deeds: [
      { atMs: 0, action: "start", rollout: OWN, label: "" },
      { atMs: 170 * MINUTE_MS, action: "resume", rollout: OWN, label: "resume" },
    ],
    answers: [
      { afterMs: 10 * MINUTE_MS, verdict: "success" },
      { afterMs: 10 * MINUTE_MS, verdict: "inconclusive" },
      { afterMs: 10 * MINUTE_MS, verdict: "success" },
    ],
    endMs: 9 * HOUR_MS,
    series: [accepted, succeeded],
  },
  {
    name: "approval",
    example: "examples/rollout-approval.yaml",
    title: "approval: nobody can start it before another operator has agreed",
    deeds: [
      { atMs: 25 * MINUTE_MS, action: "approve", rollout: OWN, label: "approved" },
      { atMs: 40 * MINUTE_MS, action: "start", rollout: OWN, label: "" },
    ],
    endMs: 130 * MINUTE_MS,
    series: [accepted, succeeded],
  },
  {
    name: "priority",
    example: "examples/rollout.yaml",
    besideExample: "examples/rollout-priority.yaml",
    title: "priority: an urgent rollout of the same slot goes first",
    deeds: [
      { atMs: 0, action: "start", rollout: OWN, label: "" },
      { atMs: 70 * MINUTE_MS, action: "start", rollout: BESIDE, label: "urgent starts" },
    ],
    endMs: 175 * MINUTE_MS,
    series: [
      accepted,
      figure("accepted, urgent", COLOURS.failed, ({ total }) => total.exposed, { number: BESIDE }),
    ],
  },
  {
    name: "rollback-waves",
    example: "examples/rollout-rollback.yaml",
    title: "rollback with waves: a few go back first",
    brokenShare: 0.2,
    endMs: 50 * MINUTE_MS,
    series: [
      accepted,
      failed(30),
      figure("back", COLOURS.succeeded, succeededOf, { number: ROLLBACK }),
    ],
  },
  {
    name: "critical-last",
    example: "examples/rollout-critical-last.yaml",
    title: "critical devices last, in a wave of their own",
    endMs: 90 * MINUTE_MS,
    series: [
      figure("accepted", COLOURS.accepted, (rollout) => acceptedOf(rollout, false)),
      figure("accepted, critical", COLOURS.failed, (rollout) => acceptedOf(rollout, true)),
    ],
  },
  {
    name: "in-flight",
    example: "examples/rollout-sites.yaml",
    title: "limits: one of a site, twenty of a gateway",
    endMs: 170 * MINUTE_MS,
    series: [
      figure("in flight", COLOURS.accepted, ({ total }) => total.inFlight),
      figure("at the busiest gateway", COLOURS.unproven, (rollout) => busiest(rollout, gatewayOf), {
        limit: 20,
      }),
      figure("at the busiest site", COLOURS.failed, (rollout) => busiest(rollout, siteOf), {
        limit: 1,
      }),
    ],
  },
  {
    name: "reach-and-tail",
    example: "examples/rollout-tail.yaml",
    title: "reach and tail: one in ten is rarely or never there",
    isAway: true,
    startAtMs: Date.parse("2026-03-02T13:00:00Z"),
    endMs: 60 * HOUR_MS,
    stepMs: MINUTE_MS,
    series: [
      accepted,
      succeeded,
      figure("not reached", COLOURS.unproven, (rollout) =>
        count(rollout, (state) => state === ATTEMPT.pending || state === ATTEMPT.offered),
      ),
    ],
  },
  {
    name: "schedule",
    example: "examples/rollout-schedule.yaml",
    title: "notBefore and expires: it waits for the one and ends at the other",
    isAway: true,
    startAtMs: Date.parse("2026-12-01T12:00:00Z"),
    endMs: 116 * HOUR_MS,
    stepMs: MINUTE_MS,
    deeds: [{ atMs: 0, action: "start", rollout: OWN, label: "started" }],
    series: [
      accepted,
      figure("not reached", COLOURS.unproven, (rollout) =>
        count(rollout, (state) => state === ATTEMPT.pending || state === ATTEMPT.offered),
      ),
    ],
  },
];
