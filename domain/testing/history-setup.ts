// SPDX-License-Identifier: Apache-2.0
/** The fleet and the rollout of a random history, drawn from its seed. */
import { siteKey } from "../place-loads.ts";
import { placedName } from "../plan-places.ts";
import { planRollout } from "../planner.ts";
import type { GatePolicy, RolloutSpec } from "../rollout.ts";
import { sliceFact, slicePlan } from "../slices.ts";
import type { Strategy } from "../strategy.ts";
import type { Amount } from "../units.ts";
import { DAY_MINUTES, DAYS, type Window } from "../window.ts";
import { NO_WINDOWS } from "../zone-windows.ts";
import type { HistoryDraft } from "./history-drafts.ts";
import { must } from "./invariants.ts";
import { PretendDevice, type Fate } from "./pretend-device.ts";
import { PureRollout, specOf } from "./pure-rollout.ts";
import { checkJoiner, checkShape } from "./shape-checks.ts";
import type { SeededRandom } from "../seeded-random.ts";

const OFFER_LIFETIME_MS = 20_000;
const FEWEST_DEVICES = 50;
/** It lets everything pass. */
const OPEN_GATE: GatePolicy = {
  maxFailures: { count: FEWEST_DEVICES },
  maxFailureRatePercent: 100,
  falseAlarmPercent: 1,
  slices: [],
  onSliceFailure: "stop",
  minSuccessPercent: 0,
  minSample: 1,
  analysis: null,
};
const REGIONS = 3;
const RINGS = 4;
const MINUTE_MS = 60_000;

/** At least 50 devices, of which some share goes wrong in one way or another. */
export function makeFleet(random: SeededRandom, isLate: boolean): PretendDevice[] {
  const badPercent = isLate ? 50 : random.pick([0, 2, 10, 50]);
  const siteCount = 1 + random.below(20);
  const criticalShare = random.pick([0, 0, 0.1]);
  const windowShare = random.pick([0, 0.8, 1]);
  return Array.from({ length: FEWEST_DEVICES + random.below(30) }, (_, number) => {
    const fate = random.below(100) < badPercent ? pickBad(random, isLate) : "good";
    return new PretendDevice({
      number,
      fate,
      factory: 1 + random.below(3),
      isCritical: random.chance(criticalShare),
      site: random.chance(0.2) ? "" : `site-${random.below(siteCount)}`,
      understandsWindows: random.chance(windowShare),
      isBusy: random.chance(isLate ? 0.4 : 0.1),
    });
  });
}

function pickBad(random: SeededRandom, isLate: boolean): Fate {
  if (isLate) return random.pick(["fails", "rolls-back", "falls-back", "hangs", "sickens"]);
  return random.pick([
    "fails",
    "rolls-back",
    "lies",
    "bricks",
    "rejects",
    "is-late",
    "hangs",
    "sickens",
    "falls-back",
  ]);
}

function randomSpec(random: SeededRandom, isLate: boolean): RolloutSpec {
  const limit = (bound: number): Amount =>
    random.chance(0.3) ? { percent: 1 + random.below(40) } : { count: 1 + random.below(bound) };
  const { deadlines } = specOf();
  return specOf({
    strategy: randomStrategy(random),
    order: random.pick(["critical-last", "hash"]),
    joiners: random.pick(["never", "next-wave", "tail"]),
    leavers: random.pick(["keep", "withdraw"]),
    waves: random.pick([[], [{ count: 1 }], [{ percent: 10 }, { percent: 30 }]]),
    maxInFlight: limit(20),
    maxInFlightPerGateway: random.pick([0, 0, 1 + random.below(10)]),
    maxInFlightPerSite: random.pick([0, 0, 1, 2]),
    blastRadius: limit(30),
    gate: isLate
      ? OPEN_GATE
      : {
          maxFailures: limit(10),
          maxFailureRatePercent: random.pick([0, 1, 5, 20, 100]),
          falseAlarmPercent: random.pick([1, 10]),
          ...randomSlices(random),
          minSuccessPercent: random.pick([0, 50, 95, 100]),
          minSample: random.pick([1, 5]),
          analysis: null,
        },
    soakMs: random.pick([0, 10_000, 90_000]),
    deadlines: {
      ...deadlines,
      reachMs: random.pick([MINUTE_MS, 3 * MINUTE_MS]),
      offlineGraceMs: random.pick([2 * MINUTE_MS, 10 * MINUTE_MS]),
    },
    onStop: random.pick(["rollback", "pause"]),
    rollback: {
      waves: random.pick([[], [{ count: 2 }, { percent: 50 }]]),
      maxInFlight: limit(20),
      minSuccessPercent: random.pick([0, 50, 100]),
    },
    notBeforeMs: random.pick([0, 0, 0, 30_000]),
    expiresAtMs: random.pick([0, 0, 0, 600_000, 1_200_000]),
    windows: {
      ...NO_WINDOWS,
      install: random.pick([[], [], everyTwentyMinutes(0, 10)]),
      download: random.pick([[], [], everyTwentyMinutes(5, 3)]),
    },
  });
}

/** Open for some minutes of every twenty, from that minute on. */
function everyTwentyMinutes(firstMinute: number, openMinutes: number): Window[] {
  return Array.from({ length: DAY_MINUTES / 20 }, (_, index) => {
    const fromMinute = index * 20 + firstMinute;
    return { days: DAYS, fromMinute, toMinute: fromMinute + openMinutes };
  });
}

function randomSlices(random: SeededRandom): Pick<GatePolicy, "slices" | "onSliceFailure"> {
  return {
    slices: random.pick([[], ["region"], ["region", "label.ring"]]),
    onSliceFailure: random.pick(["stop", "hold-slice"]),
  };
}

function randomStrategy(random: SeededRandom): Strategy {
  const first = { count: 1 + random.below(10) };
  return random.pick<Strategy>([
    { kind: "fixed" },
    { kind: "exponential", first, factor: random.pick([1, 1.5, 3]), cap: { percent: 30 } },
    { kind: "adaptive", first, min: { count: 1 }, max: { count: 1 + random.below(20) } },
  ]);
}

/** Half of them are five minutes off the others. */
function zoneOf(number: number): string {
  return number % 2 === 0 ? "UTC" : "Asia/Kathmandu";
}

/** It is registered or relabelled, so that the selector names it; lower numbers are planned. */
export function joinRollout(rollout: PureRollout, device: PretendDevice): void {
  const { number, site, isCritical } = device;
  const like = rollout.devices.indexOf(number % (REGIONS * RINGS));
  const isLast = isCritical && rollout.frame.spec.order === "critical-last";
  const place = { site: siteKey("default", site), zone: zoneOf(number), like, isLast };
  if (rollout.join(number, rollout.targets[0] ?? 0, place)) checkJoiner(rollout, device);
}

function specFor({ analysis, spec }: HistoryDraft, drawn: RolloutSpec): RolloutSpec {
  const gate = { ...drawn.gate, analysis };
  const deadlines = { ...drawn.deadlines };
  if (spec.deadlines !== undefined) deadlines.installMs = spec.deadlines.installMs;
  return { ...drawn, ...spec, gate, deadlines };
}

export function makeRollout(
  devices: readonly PretendDevice[],
  options: {
    random: SeededRandom;
    seed: number;
    isLate: boolean;
    isPlanted: (name: string) => boolean;
    draft: HistoryDraft;
  },
): PureRollout {
  const { random, seed, isLate, isPlanted, draft } = options;
  const spec = specFor(draft, randomSpec(random, isLate));
  // The rest may join.
  const planned = Math.max(1, draft.members.length - random.pick([0, 0, 1 + random.below(10)]));
  const members = draft.members.slice(0, planned);
  const inventory = members.map(({ number, isCritical, site }) => ({
    ordinal: number,
    id: `device-${number}`,
    region: `region-${number % REGIONS}`,
    site,
    labels: {
      timeZone: zoneOf(number),
      ring: `ring-${number % RINGS}`,
      cell: `cell-${Math.floor(number / draft.groupSize)}`,
    },
    inventory: {},
    serviceLevel: "",
    critical: isCritical,
    retired: false,
  }));
  const byOrdinal = new Map(inventory.map((device) => [device.ordinal, device]));
  const intent = {
    spec,
    release: { fits: {}, downloadBytes: 1 },
    selects: () => true,
    runsRelease: () => false,
    expectedAttemptMs: 1,
  };
  const plan = planRollout(intent, inventory, String(seed), isPlanted);
  checkPlan(spec, plan, members.length);
  checkShape(spec, plan, devices);
  return new PureRollout({
    number: draft.number,
    slot: draft.slot,
    after: draft.after,
    spec,
    waves: plan.waves,
    limits: plan.limits,
    devices: [...plan.ordinals],
    targets: members.map(() => draft.release),
    sites: members.map((_, position) => siteKey("default", placedName(plan.sites, position))),
    together: Array.from(plan.together, (bit) => bit === 1),
    zones: [...(plan.zones?.byPosition ?? [])].map((zone) => plan.zones?.zones[zone]?.name ?? ""),
    parent: null,
    offerLifetimeMs: OFFER_LIFETIME_MS,
    isPlanted,
    sliced: slicePlan(
      Array.from(plan.ordinals, (ordinal) => byOrdinal.get(ordinal)!),
      spec.gate.slices.map((name) => sliceFact(name, () => undefined)),
    ),
  });
}

/** With arithmetic of its own: a percentage rounds down as a limit, and up as a size. */
function checkPlan(spec: RolloutSpec, plan: ReturnType<typeof planRollout>, total: number): void {
  const planned = new Set(plan.ordinals);
  must("plan", planned.size === total, `${planned.size} of ${total} devices are in the plan`);
  const most = (amount: Amount): number =>
    "count" in amount ? amount.count : Math.max(1, (amount.percent * total) / 100);
  const { maxInFlight, blastRadius, maxFailures } = plan.limits;
  must("plan", maxInFlight <= most(spec.maxInFlight), `${maxInFlight} may be in flight`);
  must("plan", blastRadius <= most(spec.blastRadius), `${blastRadius} may be unproven`);
  must("plan", maxFailures <= most(spec.gate.maxFailures), `${maxFailures} may fail`);
  let end = 0;
  plan.waves.forEach((wave, index) => {
    must("plan", wave.start === end && wave.end > end, `wave ${index + 1} begins at ${wave.start}`);
    const isListed = spec.strategy.kind !== "exponential" && spec.order === "hash";
    const amount = isListed ? spec.waves[index] : undefined;
    const size = wave.end - wave.start;
    const isAsked = amount === undefined || spec.together !== "" || size - 1 < most(amount);
    must("plan", isAsked, `wave ${index + 1} has ${size} devices`);
    end = wave.end;
  });
  must("plan", end === total, `the waves have ${end} of ${total} devices`);
}
