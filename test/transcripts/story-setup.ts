// SPDX-License-Identifier: Apache-2.0
/** Reads the head of a transcript: `fleet` and `rollout`. */
import assert from "node:assert/strict";
import { z } from "zod";
import { DEFAULT_ANALYSIS, type AnalysisPolicy } from "../../domain/analysis.ts";
import { alignWaves } from "../../domain/groups.ts";
import { parseInstant } from "../../domain/civil-time.ts";
import type { RolloutSpec } from "../../domain/rollout.ts";
import { JOIN_POLICIES } from "../../domain/membership.ts";
import { siteKey } from "../../domain/place-loads.ts";
import { freezeLimits } from "../../domain/planner.ts";
import { startOf } from "../../domain/version-path.ts";
import type { Strategy } from "../../domain/strategy.ts";
import { commandTerms, type Command } from "../../domain/subject.ts";
import { specOf, type PureRolloutOptions } from "../../domain/testing/pure-rollout.ts";
import type { SlotName } from "../../domain/testing/slots.ts";
import { parseAmount, parseDurationMs, type Amount } from "../../domain/units.ts";
import { cutWaves } from "../../domain/waves.ts";
import type { Window } from "../../domain/window.ts";
import { parseDays, parseTimeOfDay } from "../../domain/window-text.ts";
import { NO_WINDOWS } from "../../domain/zone-windows.ts";
import { readSlices } from "./story-slices.ts";

const OFFER_LIFETIME_MS = 20_000;

export interface StoryRollout extends PureRolloutOptions {
  /** Names; `first` = that which has none. */
  readonly goesAfter: readonly string[];
}

/**
 *     fleet runs 1 1 2              (a device each)
 *     sites a a b -                 (may be left out: - is no site)
 *     groups a a b b                (who moves together; may be left out)
 *     gateways 1 1 2                (may be left out: all at one)
 *     clock 2026-12-01T21:00Z       (may be left out: 1970)
 *     regions eu eu us              (where they stand, with `sites`; may be left out)
 *     rollout release=3 waves=1,50% in-flight=2 blast-radius=5 max-failures=2 …
 *       strategy=exponential:1,2,50%  (first, factor, cap)
 *       strategy=adaptive:2,1,8  (first, min, max)
 *       later=1  (the last device of the fleet is not in the plan)
 *       critical=2  (the last two devices of the order are critical)
 *       path=2,3  (release 3 only from 2 on: who runs 1 gets 2 first)
 *     rollout command=30s …         (a command that may take so long, instead of a release)
 *     rollout beta release=4 …      (one more for the same devices, with a name)
 *       slot=os priority=1 compatible=yes after=first  (first: that which has no name)
 */
export function readRollouts(lines: readonly string[]): {
  releases: number[];
  gateways: number[];
  wallMs: number;
  /** The devices keep windows by themselves. */
  understandsWindows: boolean;
  /** By name; that of the first is "". */
  rollouts: Map<string, StoryRollout>;
} {
  const find = (word: string): string | undefined =>
    lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  const fleet = find("fleet runs");
  assert(fleet !== undefined, "a story begins with its fleet");
  const clock = find("clock");
  const wallMs = clock === undefined ? 0 : parseInstant(clock, "clock");
  const releases = fleet.split(" ").map(Number);
  const sites = find("sites")?.split(" ") ?? [];
  const rollouts = new Map<string, StoryRollout>();
  for (const line of lines) {
    if (!line.startsWith("rollout ")) continue;
    const words = line.split(" ").slice(1);
    const name = words[0]?.includes("=") === true ? "" : (words.shift() ?? "");
    // The number after each is that of its rollback.
    const number = 2 * rollouts.size + 1;
    rollouts.set(name, readRollout(words, { number, releases, sites, lines }));
  }
  return {
    releases,
    gateways: find("gateways")?.split(" ").map(Number) ?? [],
    wallMs,
    understandsWindows: lines.some((line) => line.includes(" aware=yes")),
    rollouts,
  };
}

function readRollout(
  pairs: readonly string[],
  fleet: {
    number: number;
    releases: readonly number[];
    sites: readonly string[];
    lines: readonly string[];
  },
): StoryRollout {
  const { number, releases, sites, lines } = fleet;
  const given = new Map(pairs.map((pair) => pair.split("=") as [string, string]));
  const take = (name: string, fallback: string): string => {
    const value = given.get(name) ?? fallback;
    given.delete(name);
    return value;
  };
  const command = readCommand(take("command", ""));
  // A command leaves nothing that runs.
  const configuration = take("configuration", "");
  const release = Number(configuration || take("release", command === null ? "9" : "0"));
  const planned = releases.slice(0, releases.length - Number(take("later", "0")));
  const border = planned.length - Number(take("critical", "0"));
  const isConfiguration = configuration !== "";
  const spec = { ...withCommand(readSpec(take), command), isConfiguration };
  const path = take("path", "").split(",").filter(Boolean).map(Number);
  const groups =
    lines
      .find((line) => line.startsWith("groups "))
      ?.split(" ")
      .slice(1) ?? [];
  const together = groups.map((group, at) => at > 0 && group !== "-" && group === groups[at - 1]);
  const zones = take("zones", "UTC").split(",");
  take("aware", "no");
  const slot = take("slot", command === null ? "app" : "command") as SlotName;
  const goesAfter = take("after", "").split(",").filter(Boolean);
  assert.deepEqual([...given.keys()], [], "the settings that a rollout has");
  return {
    number,
    slot,
    goesAfter,
    spec,
    waves: alignWaves(cutWaves(spec, planned.length, border), (at) => together[at] === true),
    together,
    limits: freezeLimits(spec, planned.length),
    devices: planned.map((_, device) => device),
    targets: planned.map((runs) => path[startOn(path, runs)] ?? release),
    path,
    sites: sites
      .slice(0, planned.length)
      .map((site) => siteKey("default", site === "-" ? "" : site)),
    parent: null,
    offerLifetimeMs: OFFER_LIFETIME_MS,
    zones: planned.map((_, device) => zones[device % zones.length] ?? ""),
    sliced: readSlices(lines, planned, spec.gate.slices),
  };
}

/** Of a path each release wants the one before it at least; 0 runs nothing. */
function startOn(path: readonly number[], runs: number): number {
  const versionOf = (release: number): string => `${release}.0.0`;
  const chain = path.map((release, index) => {
    const before = path[index - 1];
    return { version: versionOf(release), floor: before === undefined ? "" : versionOf(before) };
  });
  if (chain.length === 0) return -1;
  const start = startOf(
    chain,
    runs === 0 ? { kind: "nothing" } : { kind: "version", version: versionOf(runs) },
  );
  assert(typeof start === "number", "every device of a story has a path");
  return start;
}

function readSpec(take: (name: string, fallback: string) => string): RolloutSpec {
  const amount = (name: string, fallback: string) => parseAmount(take(name, fallback), name);
  const duration = (name: string, fallback: string): number =>
    parseDurationMs(take(name, fallback), name);
  const instant = (name: string): number => {
    const text = take(name, "");
    return text === "" ? 0 : parseInstant(text, name);
  };
  const amounts = (name: string): Amount[] => {
    const text = take(name, "");
    return text === "" ? [] : text.split(",").map((part) => parseAmount(part, name));
  };
  return specOf({
    strategy: readStrategy(take("strategy", "fixed")),
    waves: amounts("waves"),
    maxInFlight: amount("in-flight", "100%"),
    maxInFlightPerGateway: Number(take("per-gateway", "0")),
    maxInFlightPerSite: Number(take("per-site", "0")),
    blastRadius: amount("blast-radius", "100%"),
    gate: {
      maxFailures: amount("max-failures", "100%"),
      maxFailureRatePercent: Number(take("max-failure-rate", "0")),
      falseAlarmPercent: Number(take("false-alarm-rate", "1")),
      slices: take("slices", "").split(",").filter(Boolean),
      onSliceFailure: take("on-slice-failure", "stop") === "stop" ? "stop" : "hold-slice",
      minSuccessPercent: Number(take("min-success", "90")),
      minSample: Number(take("min-sample", "1")),
      analysis: readAnalysis(take("analysis", "")),
    },
    joiners: z.enum(JOIN_POLICIES).parse(take("joiners", "tail")),
    soakMs: duration("soak", "5s"),
    deadlines: { ...specOf().deadlines, offlineGraceMs: duration("grace", "10m") },
    approval: take("approval", "none") === "required" ? "required" : "none",
    onStop: take("on-stop", "rollback") === "pause" ? "pause" : "rollback",
    rollback: {
      waves: amounts("rollback-waves"),
      maxInFlight: amount("rollback-in-flight", "1000"),
      minSuccessPercent: Number(take("rollback-min-success", "0")),
    },
    priority: Number(take("priority", "0")),
    compatible: take("compatible", "no") === "yes",
    notBeforeMs: instant("not-before"),
    expiresAtMs: instant("expires"),
    windows: {
      ...NO_WINDOWS,
      install: readWindows(take("install", "")),
      download: readWindows(take("download", "")),
    },
  });
}

/** `analysis=https://a.example`; nobody is asked where it is left out. */
function readAnalysis(url: string): AnalysisPolicy | null {
  return url === "" ? null : { ...DEFAULT_ANALYSIS, url };
}

function readCommand(timeout: string): Command | null {
  if (timeout === "") return null;
  const timeoutMs = parseDurationMs(timeout, "command");
  return { work: { kind: "run", run: ["df"] }, timeoutMs, outputLimitBytes: 1_024 };
}

function withCommand(spec: RolloutSpec, command: Command | null): RolloutSpec {
  if (command === null) return spec;
  const { installMs, ...terms } = commandTerms(command);
  return { ...spec, release: "", command, ...terms, deadlines: { ...spec.deadlines, installMs } };
}

/** `22:00-05:00`, `mon-fri/22:00-05:00`, several with commas. */
function readWindows(text: string): Window[] {
  if (text === "") return [];
  return text.split(",").map((part) => {
    const [days = "mon-sun", times = days] = part.split("/");
    const [from = "", to = ""] = times.split("-");
    return {
      days: parseDays(times === days ? "mon-sun" : days, "days"),
      fromMinute: parseTimeOfDay(from, "from"),
      toMinute: parseTimeOfDay(to, "to"),
    };
  });
}

function readStrategy(text: string): Strategy {
  const [kind = "", settings = ""] = text.split(":");
  const [first = "1", middle = "1", last = "1"] = settings.split(",");
  const amount = (value: string) => parseAmount(value, "strategy");
  switch (kind) {
    case "exponential":
      return { kind, first: amount(first), factor: Number(middle), cap: amount(last) };
    case "adaptive":
      return { kind, first: amount(first), min: amount(middle), max: amount(last) };
    default:
      assert.equal(kind, "fixed", "the strategies there are");
      return { kind: "fixed" };
  }
}
