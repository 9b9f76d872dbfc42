// SPDX-License-Identifier: Apache-2.0
//
// The pictures whose subject is not in the counts that every rehearsal has: who is in flight at one
// site, who goes back, who comes first, what people and analyses do.

import { ATTEMPT } from "../../domain/attempt.ts";
import type { SlotName } from "../../domain/running-page.ts";
import { COLOURS } from "./draw.ts";
import {
  accepted,
  acceptedOf,
  acceptedWho,
  BESIDE,
  busiest,
  count,
  failed,
  figure,
  groupsWhere,
  OWN,
  pastStep,
  ROLLBACK,
  SECOND_COLOUR,
  succeeded,
  succeededOf,
  waitingFor,
  type Figure,
} from "./figures.ts";
import type { Deed, FilmedAnswer } from "./film.ts";
import { gatewayOf, siteOf } from "./model-devices.ts";
import type { Circumstances } from "./model-installation.ts";

export interface FilmedPicture extends Omit<Circumstances, "beside"> {
  /** Of the file, without `.svg`. */
  readonly name: string;
  /** What is played, from the root. */
  readonly example: string;
  /** Another example on the same devices, under this name and with a release of its own. */
  readonly beside?: {
    readonly example: string;
    readonly name: string;
    readonly release: string;
    readonly slot: SlotName;
  };
  readonly title: string;
  readonly brokenShare?: number;
  /** Default: it is started at once. */
  readonly deeds?: readonly Deed[];
  readonly answers?: readonly FilmedAnswer[];
  readonly endMs: number;
  /** Default: ten seconds. */
  readonly stepMs?: number;
  readonly series: readonly Figure[];
}

const MINUTE_MS = 60_000;
const HOUR_MS: number = 60 * MINUTE_MS;

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
    beside: {
      example: "examples/rollout-priority.yaml",
      name: "picture-3",
      release: "shop@1.4.1",
      slot: "app",
    },
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
  {
    name: "after",
    example: "examples/rollout-after.yaml",
    beside: {
      example: "examples/rollout-exponential.yaml",
      name: "firmware-7",
      release: "firmware@7.0.0",
      slot: "os",
    },
    title: "after: the app follows the firmware",
    deeds: [
      { atMs: 0, action: "start", rollout: BESIDE, label: "" },
      { atMs: 0, action: "start", rollout: OWN, label: "" },
    ],
    endMs: 150 * MINUTE_MS,
    series: [
      figure("have the firmware", SECOND_COLOUR, succeededOf, { number: BESIDE }),
      figure("have the app", COLOURS.accepted, succeededOf),
      {
        name: "wait for it",
        colour: COLOURS.unproven,
        of: (cast) => {
          const [own, first] = [cast.get(OWN), cast.get(BESIDE)];
          return own === undefined || first === undefined ? 0 : waitingFor(first, own);
        },
      },
    ],
  },
  {
    name: "joiners",
    example: "examples/rollout-joiners.yaml",
    title: "joiners: who comes late is in the next wave",
    newcomerCount: 200,
    deeds: [
      { atMs: 0, action: "start", rollout: OWN, label: "" },
      { atMs: 10 * MINUTE_MS, action: "join", rollout: OWN, label: "200 join" },
    ],
    endMs: 90 * MINUTE_MS,
    series: [
      figure("accepted, planned", COLOURS.accepted, (rollout) => acceptedWho(rollout, false)),
      figure("accepted, joined", COLOURS.failed, (rollout) => acceptedWho(rollout, true)),
      figure(
        "joined",
        COLOURS.unproven,
        ({ ordinals, plan }) => ordinals.length - plan.deviceCount,
      ),
    ],
  },
  {
    name: "together",
    example: "examples/rollout-together.yaml",
    title: "groups: cells of four move together",
    isAway: true,
    startAtMs: Date.parse("2026-03-02T05:00:00Z"),
    endMs: 8 * HOUR_MS,
    series: [
      figure("cells all new", COLOURS.succeeded, (rollout) =>
        groupsWhere(rollout, (newCount, all) => newCount === all),
      ),
      figure("cells in between", COLOURS.unproven, (rollout) =>
        groupsWhere(rollout, (newCount, all) => newCount > 0 && newCount < all),
      ),
      figure("cells all old", COLOURS.accepted, (rollout) =>
        groupsWhere(rollout, (newCount) => newCount === 0),
      ),
    ],
  },
  {
    name: "together-fails",
    example: "examples/rollout-together.yaml",
    title: "groups: a cell that fails goes back",
    brokenShare: 0.02,
    endMs: 5 * HOUR_MS,
    series: [
      figure("cells all new", COLOURS.succeeded, (rollout) =>
        groupsWhere(rollout, (newCount, all) => newCount === all),
      ),
      figure("in between", COLOURS.unproven, (rollout) =>
        groupsWhere(rollout, (newCount, all) => newCount > 0 && newCount < all),
      ),
      figure("failed, all old", COLOURS.failed, (rollout) =>
        groupsWhere(rollout, (newCount, _, hasFailed) => newCount === 0 && hasFailed),
      ),
    ],
  },
  {
    name: "floors",
    example: "examples/rollout-floors.yaml",
    title: "version floors: three ways to 1.4",
    published: [
      { release: "shop@1.4.0", slot: "app", floor: "1.2.0" },
      { release: "shop@1.3.0", slot: "app" },
      { release: "shop@1.2.0", slot: "app", floor: "1.1.0" },
      { release: "shop@1.1.0", slot: "app" },
      { release: "shop@1.0.0", slot: "app" },
    ],
    runs: (ordinal) => `shop@${["1.0.0", "1.1.0", "1.3.0"][ordinal % 3] ?? ""}`,
    endMs: 3 * HOUR_MS,
    series: [
      figure("run 1.1 or later", COLOURS.unproven, (rollout) => pastStep(rollout, 0)),
      figure("1.2 or later", SECOND_COLOUR, (rollout) => pastStep(rollout, 1)),
      figure("1.4", COLOURS.succeeded, succeededOf),
    ],
  },
];
