// SPDX-License-Identifier: Apache-2.0
/**
 * Plays one transcript: a fleet and a rollout, then commands (`> …`), each with what it brings about
 * written under it. A device is named by its position in the plan; what it is told and says goes
 * straight to the pure center, so every line is a consequence of the domain alone.
 */
import assert from "node:assert/strict";
import type { Verdict } from "../../domain/analysis.ts";
import { ATTEMPT_STATES, CELL_REASONS } from "../../domain/attempt.ts";
import type { ReportedPhase } from "../../domain/attempt-step.ts";
import { isEnded } from "../../domain/rollout.ts";
import type { RolloutEffect } from "../../domain/rollout-effect.ts";
import { subjectOf } from "../../domain/subject.ts";
import { NO_PLACE } from "../../domain/place-loads.ts";
import type { Offer } from "../../domain/testing/center-hooks.ts";
import { PureCenter } from "../../domain/testing/pure-center.ts";
import { PureRollout } from "../../domain/testing/pure-rollout.ts";
import { parseDurationMs } from "../../domain/units.ts";
import { readRollouts } from "./story-setup.ts";

/** These may name a rollout. */
const COMMANDS = ["start", "pause", "resume", "stop", "rollback"];
const GRAIN_MS = 1_000;
const WORKS: readonly ReportedPhase[] = ["accepted", "downloading", "downloaded", "installing"];

export class Story {
  private readonly center: PureCenter;
  /** The first one: devices are named by their position in it. */
  private readonly rollout: PureRollout;
  private readonly byName: ReadonlyMap<string, PureRollout>;
  /** What each device was sent, the newest last. */
  private readonly offers = new Map<number, Offer[]>();
  private readonly sequences = new Map<number, number>();
  private said: string[] = [];

  /** `setup`: the lines before the first command. */
  constructor(setup: readonly string[]) {
    const { releases, gateways, wallMs, understandsWindows, rollouts } = readRollouts(setup);
    this.center = new PureCenter({
      releases,
      wallMs,
      hooks: {
        offered: (offer) => this.offered(offer),
        effect: (rollout, effect) => this.said.push(this.nameOf(rollout) + say(rollout, effect)),
        stepped: () => {},
      },
    });
    this.center.told.forEach((told, device) => {
      told.gateway = gateways[device] ?? 1;
      told.understandsWindows = understandsWindows;
    });
    const byName = new Map<string, PureRollout>();
    for (const [name, { goesAfter, ...options }] of rollouts) {
      const after = goesAfter.flatMap((first) => byName.get(first === "first" ? "" : first) ?? []);
      byName.set(name, new PureRollout({ ...options, after }));
    }
    this.byName = byName;
    this.rollout = this.rolloutOf("");
    for (const rollout of this.byName.values()) awaitApproval(rollout);
    this.center.rollouts.push(...this.byName.values());
  }

  /** What the commands bring about, line by line; the state of each rollout is last. */
  play(commands: string): string[] {
    this.said = [];
    for (const command of commands.split("; ")) {
      const [verb = "", ...rest] = command.split(" ");
      if (/^d\d/.test(verb)) this.devices(verb, rest);
      else this.command(verb, rest);
    }
    // One that is not the first is told of when it has begun.
    const shown = this.center.rollouts.filter(
      (one) => one === this.rollout || one.progress.state !== "planned",
    );
    const described = shown.flatMap((one) => describeRollout(one, this.nameOf(one)));
    return [...this.said, ...described];
  }

  private rolloutOf(name: string): PureRollout {
    const rollout = this.byName.get(name);
    assert(rollout !== undefined, `there is no rollout ${name}`);
    return rollout;
  }

  /** `beta: `, `rollback: `, `rollback of beta: `; of the first one nothing. */
  private nameOf(rollout: PureRollout): string {
    const [name = ""] =
      [...this.byName].find(([, one]) => one === (rollout.parent ?? rollout)) ?? [];
    if (rollout.parent === null) return name === "" ? "" : `${name}: `;
    return name === "" ? "rollback: " : `rollback of ${name}: `;
  }

  private command(verb: string, rest: readonly string[]): void {
    const { center } = this;
    const why = "by hand";
    const rollout = COMMANDS.includes(verb) ? this.rolloutOf(rest[0] ?? "") : this.rollout;
    switch (verb) {
      case "start":
      case "resume":
        center.step(rollout, { kind: verb });
        return this.pass(0);
      case "pause":
        return center.step(rollout, { kind: "pause", why });
      case "stop":
      case "rollback":
        return center.step(rollout, { kind: "stop", why, rollback: verb === "rollback" });
      case "approve":
        return center.step(rollout, { kind: "approve", why: "approved by another" });
      case "reject":
        return center.step(rollout, { kind: "stop", why: "rejected by another", rollback: false });
      case "analysis":
        return this.answer(rest);
      case "restart":
        return center.restart();
      case "away":
        // Nobody leads: what the center goes by stands still.
        center.nowMs += parseDurationMs(rest.join(" "), "away");
        return;
      case "clock":
        return this.clock(rest);
      case "wait":
        return this.pass(parseDurationMs(rest.join(" "), "wait"));
      default:
        assert.fail(`unknown command ${verb}`);
    }
  }

  /** `analysis failure errors-double`: to the newest question, open or not. */
  private answer([verdict, ...reason]: readonly string[]): void {
    const wave = this.rollout.progress.analysis?.wave ?? 0;
    this.center.step(this.rollout, {
      kind: "analysis-answered",
      wave,
      verdict: verdict as Verdict,
      reason: reason.join(" "),
    });
    this.pass(0);
  }

  /** `clock jumps 30d`, `clock jumps back 30d`: the wall clock alone. */
  private clock([verb, ...rest]: readonly string[]): void {
    assert.equal(verb, "jumps");
    const isBack = rest[0] === "back";
    const jumpMs = parseDurationMs(rest[isBack ? 1 : 0] ?? "", "clock");
    this.center.wallOffsetMs += isBack ? -jumpMs : jumpMs;
  }

  /** In steps as small as the loop's, or a soak would be over before it had begun. */
  private pass(durationMs: number): void {
    if (durationMs === 0) this.center.tick(0);
    for (let passedMs = 0; passedMs < durationMs; passedMs += GRAIN_MS) this.center.tick(GRAIN_MS);
  }

  private devices(names: string, rest: readonly string[]): void {
    for (const position of positionsOf(names)) this.device(position, rest);
  }

  private device(position: number, [verb = "", ...rest]: readonly string[]): void {
    if (verb === "joins") return this.join(position);
    const device = this.rollout.devices[position] ?? -1;
    const told = this.center.told[device];
    assert(told !== undefined, `there is no device d${position}`);
    switch (verb) {
      case "online":
      case "offline":
      case "unknown":
        told.presence = verb;
        return;
      case "leaves":
        return this.note(position, this.rollout.leave(position) ? "changed" : "stays");
      case "runs":
        told.slots.app.release = Number(rest[0]);
        return;
      case "sickens":
      case "recovers":
        told.slots.app.healthy = verb === "recovers";
        return;
      case "installs": {
        for (const phase of WORKS) this.report(position, phase);
        const offer = this.offerOf(position);
        told.slots[offer.rollout.slot].release = offer.target;
        return this.report(position, "installed");
      }
      case "fails":
        for (const phase of WORKS) this.report(position, phase);
        return this.report(position, "rolled-back", rest[0]);
      case "returns":
        return this.note(
          position,
          this.center.giveBack(this.offerOf(position), rest[0] === "sent"),
        );
      case "moves":
        for (const rollout of this.center.rollouts) this.center.forget(rollout, position);
        return;
      case "says":
        for (const word of rest) this.say(position, word);
        return;
      default:
        assert.fail(`unknown deed ${verb} of d${position}`);
    }
  }

  /** It is registered now, and matches; its position is its number. */
  private join(device: number): void {
    const target = this.rollout.targets[0] ?? 0;
    const joiner = { site: NO_PLACE, zone: "UTC", like: 0, isLast: false };
    this.note(device, this.rollout.join(device, target, joiner) ? "changed" : "stays out");
  }

  /** `accepted`, `failed/no-space`, `installed#6` (that sequence), `accepted#1@1` (generation). */
  private say(position: number, word: string): void {
    const match = /^([a-z-]+)(?:\/([a-z-]+))?(?:#(\d+))?(?:@(\d+))?$/.exec(word);
    assert(match !== null, `unreadable report ${word}`);
    const [, phase, reason, sequence, generation] = match;
    const offer = this.offerOf(position, Number(generation ?? 0));
    this.file(position, {
      phase: phase as ReportedPhase,
      reason: reason ?? "",
      sequence: Number(sequence ?? this.nextSequence(offer)),
      generation: Number(generation ?? offer.generation),
    });
  }

  private report(position: number, phase: ReportedPhase, reason = ""): void {
    const offer = this.offerOf(position);
    const { generation } = offer;
    this.file(position, { phase, reason, sequence: this.nextSequence(offer), generation });
  }

  private file(
    position: number,
    report: { phase: ReportedPhase; reason: string; sequence: number; generation: number },
  ): void {
    const offer = this.offerOf(position, report.generation);
    this.note(position, this.center.report(offer.rollout, offer.position, report));
  }

  private note(position: number, outcome: string): void {
    if (outcome !== "changed") this.said.push(`d${position}: ${outcome}`);
  }

  private nextSequence({ device, generation }: Offer): number {
    const key = device * 1_000 + generation;
    const sequence = (this.sequences.get(key) ?? 0) + 1;
    this.sequences.set(key, sequence);
    return sequence;
  }

  /** The newest, or the one of that generation when there was one. */
  private offerOf(position: number, generation = 0): Offer {
    const offers = this.offers.get(this.rollout.devices[position] ?? -1) ?? [];
    const offer = offers.find((one) => one.generation === generation) ?? offers.at(-1);
    assert(offer !== undefined, `d${position} was offered nothing`);
    return offer;
  }

  private offered(offer: Offer): void {
    const known = this.offers.get(offer.device) ?? [];
    // A lease of the same generation takes the place of the one before.
    const others = known.filter(({ generation }) => generation !== offer.generation);
    this.offers.set(offer.device, [...others, offer]);
    const { target } = offer;
    const { kind } = subjectOf(offer.rollout.frame.spec);
    const work = kind === "command" ? "the command" : `${kind} ${target}`;
    const text = `offer to d${offer.device}: ${work}, generation ${offer.generation}`;
    this.said.push(text);
  }

  /** What each device runs, as the center was told last: `1 1 2`; with its system, `1/7 1/7 2/7`. */
  get runs(): string {
    const hasSystems = [...this.byName.values()].some(({ slot }) => slot === "os");
    const told = this.center.told.map(({ slots: { app, os } }) =>
      hasSystems ? `${app.release}/${os.release}` : `${app.release}`,
    );
    return told.join(" ");
  }

  get isOver(): boolean {
    return this.center.rollouts.every(({ progress }) => isEnded(progress.state));
  }
}

/** Where a spec asks for approval its plan waits for it; else it is planned already. */
function awaitApproval(rollout: PureRollout): void {
  if (rollout.frame.spec.approval !== "required") return;
  const stateReason = "another operator must approve it";
  rollout.progress = { ...rollout.progress, state: "awaiting-approval", stateReason };
}

/** `d3`, `d3-d5`, `d1,d4`. */
function positionsOf(names: string): number[] {
  return names.split(",").flatMap((name) => {
    const match = /^d(\d+)(?:-d(\d+))?$/.exec(name);
    assert(match !== null, `unreadable devices ${names}`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function say(rollout: PureRollout, effect: RolloutEffect): string {
  switch (effect.kind) {
    case "open-wave":
      return `wave ${effect.wave + 1} opens`;
    case "ask-analysis":
      return `the analysis is asked before wave ${effect.wave + 1}`;
    case "raise-stop-epoch":
      return `offers are withheld, stop epoch ${effect.stopEpoch}`;
    case "cancel-pending":
      return `what was not offered is cancelled`;
    case "give-up-pending":
      return `what was not offered is unreachable`;
    case "close-unaccepted":
      return `what was not accepted is ${effect.as}`;
    case "begin-rollback":
      return `the rollback begins`;
    case "window-opened":
      return `the ${effect.window} window of ${rollout.frame.zones?.names[effect.zone]} opens`;
    case "ended":
      return `the end: ${effect.state}`;
  }
}

/** Three lines: state, attempts by state, and why those are where they are that went wrong. */
function describeRollout(rollout: PureRollout, name: string): string[] {
  const { progress, total, waves, page } = rollout;
  const wave = `wave ${progress.waveCount} of ${waves.length}`;
  const states = ATTEMPT_STATES.flatMap((state, code) => {
    const count = total.byState[code] ?? 0;
    return count === 0 ? [] : [`${count} ${state}`];
  });
  const byReason = new Map<string, number[]>();
  rollout.devices.forEach((device, position) => {
    const reason = CELL_REASONS[page.reason[position] ?? 0] ?? "";
    byReason.set(reason, [...(byReason.get(reason) ?? []), device]);
  });
  byReason.delete("");
  const reasons = [...byReason].map(([reason, devices]) => `${reason}: ${spans(devices)}`);
  const { exposed, failures, unproven } = total;
  const window = progress.window === null ? "" : `, window ${progress.window.size}`;
  return [
    `${name}${progress.state}, ${wave}: ${progress.stateReason}`,
    `  ${states.join(", ")}; n ${exposed}, k ${failures}, unproven ${unproven}${window}`,
    ...(reasons.length === 0 ? [] : [`  ${reasons.join("; ")}`]),
  ];
}

/** `d1 d4-d6`. */
function spans(devices: readonly number[]): string {
  const from = devices.filter((device) => !devices.includes(device - 1));
  const to = devices.filter((device) => !devices.includes(device + 1));
  return from
    .map((first, index) => (first === to[index] ? `d${first}` : `d${first}-d${to[index]}`))
    .join(" ");
}
