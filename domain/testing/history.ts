// SPDX-License-Identifier: Apache-2.0
/**
 * One random history: a fleet, a rollout with limits drawn at random, some hundred events, and an
 * end in which everything that can still move does. Throws at the first thing that must not be.
 */
import { isEnded } from "../rollout.ts";
import { Absences } from "./absences.ts";
import type { Coverage } from "./coverage.ts";
import { checkEnds } from "./end-checks.ts";
import { steppedAs } from "./happenings.ts";
import { HistoryChecks } from "./history-checks.ts";
import { HistoryFailure } from "./history-failure.ts";
import { draftFirst, draftSecond, type HistoryDraft } from "./history-drafts.ts";
import { joinRollout, makeFleet, makeRollout } from "./history-setup.ts";
import { must } from "./invariants.ts";
import { Mishaps } from "./mishaps.ts";
import { People } from "./people.ts";
import type { PretendDevice } from "./pretend-device.ts";
import { PretendWorld, type PretendGateway } from "./pretend-world.ts";
import { PureCenter } from "./pure-center.ts";
import type { PureRollout } from "./pure-rollout.ts";
import { SeededRandom } from "../seeded-random.ts";

const TICK_MS = 5_000;
const EVENTS = 250;
/** Longest that what is left can take: the offline grace, and a rollback's. */
const LAST_TICKS = 3_000;
/** Longer than a rollout waits for its tail. */
const DARK_TICKS = 500;
/** From one seed to the other that a history draws from. */
const MORE = 1_000_000_007;
const DAWDLES_MS = [30_000, 120_000];
const LAST_WORDS: ReadonlySet<string> = new Set(["failed", "rolled-back", "superseded"]);
const DAY_MS = 86_400_000;
const STUCK_MS = [60_000, 300_000];

export interface Told {
  /** In which each rollout ended; not those that put devices back. */
  readonly states: readonly string[];
  readonly eventCount: number;
  readonly deviceCount: number;
}

export interface TellOptions {
  /** The planted bug that this history is told with. */
  readonly isPlanted?: (name: string) => boolean;
  /** What this history meets is added. */
  readonly coverage?: Coverage;
}

/** Throws a `HistoryFailure` at the first event that breaks an invariant. */
export function tellHistory(seed: number, options: TellOptions = {}): Told {
  return new History(seed, options).tell();
}

interface Happening {
  readonly kind: string;
  /** Of 1,000. */
  readonly weight: number;
  readonly happen: (device: PretendDevice, gateway: PretendGateway) => void;
}

class History {
  private readonly seed: number;
  /** What happens is heard of late, and little of it stops the rollout. */
  private readonly isLate: boolean;
  private readonly random: SeededRandom;
  private readonly checks: HistoryChecks;
  private readonly center: PureCenter;
  private readonly world: PretendWorld;
  private readonly devices: readonly PretendDevice[];
  /** Those of people; their rollbacks are the center's. */
  private readonly rollouts: readonly PureRollout[];
  private readonly people: People;
  /** Draws second rollouts, people and absences; all else is drawn by the other. */
  private readonly more: SeededRandom;
  private readonly absences: Absences;
  private readonly mishaps: Mishaps;
  private readonly happenings: readonly Happening[];
  private event = { number: 0, kind: "start" };

  constructor(seed: number, { isPlanted = () => false, coverage }: TellOptions) {
    const random = new SeededRandom(seed);
    this.seed = seed;
    this.random = random;
    this.more = new SeededRandom(seed + MORE);
    this.isLate = random.chance(0.25);
    this.devices = makeFleet(random, this.isLate);
    this.center = new PureCenter({
      releases: this.devices.map((device) => device.factory),
      understandsWindows: (device) => this.devices[device]?.understandsWindows === true,
      isPlanted,
      hooks: {
        offered: (offer) => {
          this.checks.offered(offer);
          this.world.lease(offer);
        },
        stepped: (rollout, before, event) => {
          coverage?.rollout(before.state, steppedAs(event));
          this.checks.stepped(rollout, before, event);
        },
        effect: (rollout, effect) => {
          if (effect.kind === "ask-analysis") {
            this.checks.analysis.asked(rollout, effect.wave);
            this.people.asked(rollout, effect.wave);
          }
          if (effect.kind !== "raise-stop-epoch") return;
          this.world.raiseStopEpoch(rollout.number, effect.stopEpoch);
        },
        stepping: (rollout, event) => this.checks.stepping(rollout, event),
        changing: (rollout) => this.checks.changing(rollout),
        sweeping: (rollout, elapsedTicks) => this.checks.sweeping(rollout, elapsedTicks),
        happened: (state, what) => coverage?.attempt(state, what),
      },
    });
    this.world = new PretendWorld({ center: this.center, devices: this.devices, random });
    this.checks = new HistoryChecks({ center: this.center, devices: this.devices, isPlanted });
    this.happenings = this.drawFrom();
    this.rollouts = this.telling(() => this.makeRollouts(isPlanted));
    const { center, world, rollouts, more } = this;
    const isDark = more.chance(0.3);
    this.people = new People({ center, rollouts, random: more, areRegretful: isDark });
    this.mishaps = new Mishaps({
      center,
      world,
      rollouts,
      random: new SeededRandom(seed + 3 * MORE),
      rollBack: (rollout) => this.people.rollBack(rollout),
    });
    const cameBack = (device: PretendDevice): void => this.mishaps.cameBack(device);
    this.absences = new Absences({ center, world, rollouts, random: more, isDark, cameBack });
  }

  private makeRollouts(isPlanted: (name: string) => boolean): PureRollout[] {
    const { devices, random, more, seed, isLate } = this;
    const make = (draft: HistoryDraft, by: SeededRandom): PureRollout =>
      makeRollout(devices, { random: by, seed, isLate, isPlanted, draft });
    // Of its own: what is drawn here must not change what other histories tell.
    const groups = new SeededRandom(seed + 2 * MORE);
    const groupSize = (): number => groups.pick([1, 1, 1, 1, 1, 2, 3, 5]);
    const first = make(draftFirst(more, devices, groupSize()), random);
    const draft = draftSecond(more, devices, first, groupSize());
    return draft === null ? [first] : [first, make(draft, more)];
  }

  tell(): Told {
    const states = this.telling(() => {
      this.begin();
      for (let number = 1; number <= EVENTS; number++) {
        this.happen(number);
        this.checks.everything();
      }
      this.event = { number: EVENTS + 1, kind: "the end" };
      this.settle();
      return this.rollouts.map(({ progress }) => progress.state);
    });
    return { states, eventCount: EVENTS, deviceCount: this.devices.length };
  }

  /** Some await approval; the second one begins when somebody starts it. */
  private begin(): void {
    const { center, rollouts, more } = this;
    for (const [index, rollout] of rollouts.entries()) {
      center.rollouts.push(rollout);
      if (more.chance(0.2)) {
        rollout.progress = { ...rollout.progress, state: "awaiting-approval" };
      } else if (index === 0) center.step(rollout, { kind: "start" });
    }
  }

  /** What goes wrong says in which history and at which event. */
  private telling<Result>(tell: () => Result): Result {
    try {
      return tell();
    } catch (error) {
      throw new HistoryFailure({ seed: this.seed, event: this.event, cause: error });
    }
  }

  private happen(number: number): void {
    const { random, world } = this;
    const device = random.pick(this.devices);
    const gateway = random.pick(world.gateways);
    let dice = random.below(1_000);
    const happening = this.happenings.find(({ weight }) => (dice -= weight) < 0);
    must("end", happening !== undefined, "the weights of what happens sum to 1,000");
    this.event = { number, kind: happening.kind };
    happening.happen(device, gateway);
  }

  private drawFrom(): Happening[] {
    const { random, world } = this;
    const gatewayUp = (gateway: PretendGateway): void => {
      if (!gateway.isUp && !this.mishaps.isHeld(gateway)) world.restore(gateway);
    };
    const deviceBack = (device: PretendDevice): void => {
      if (!this.mishaps.isGone(device)) world.comeBack(device);
    };
    return [
      { kind: "time passes", weight: 315, happen: () => this.timePasses(1 + random.below(3)) },
      { kind: "messages move", weight: 180, happen: () => this.aLittleOfEverything() },
      { kind: "work goes on", weight: 90, happen: () => this.workGoesOn(random.next()) },
      { kind: "a device vanishes", weight: 80, happen: (device) => world.vanish(device) },
      { kind: "a device comes back", weight: 120, happen: deviceBack },
      { kind: "a gateway is cut off", weight: 15, happen: (_, gateway) => world.cutOff(gateway) },
      { kind: "a gateway is back", weight: 30, happen: (_, gateway) => gatewayUp(gateway) },
      { kind: "reports arrive", weight: 60, happen: () => this.flushAll(0.5) },
      { kind: "a gateway dawdles", weight: 15, happen: (_, gateway) => this.dawdle(gateway) },
      { kind: "reports are stuck", weight: 15, happen: () => this.stickReports() },
      { kind: "the center restarts", weight: 5, happen: () => world.restartCenter() },
      { kind: "the wall clock jumps", weight: 5, happen: () => this.jumpWallClock() },
      { kind: "a command", weight: 40, happen: () => this.people.command(random) },
      { kind: "a device joins", weight: 5, happen: (device) => this.join(device) },
      { kind: "a device leaves", weight: 5, happen: (device) => this.leave(device) },
      { kind: "a device roams", weight: 10, happen: () => this.roam() },
      { kind: "a last word", weight: 10, happen: () => this.lastWord() },
    ];
  }

  private join(device: PretendDevice): void {
    for (const rollout of this.rollouts) {
      this.checks.changing(rollout);
      joinRollout(rollout, device);
    }
  }

  /** It is relabelled, so that the selector names it no more. */
  private leave(device: PretendDevice): void {
    for (const rollout of this.rollouts) {
      const position = rollout.positionOf(device.number);
      this.checks.changing(rollout);
      if (position !== -1) rollout.leave(position);
    }
  }

  private timePasses(ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      this.aLittleOfEverything();
      this.flushAll(1);
      this.tick();
    }
  }

  private tick(): void {
    this.center.tick(TICK_MS);
    this.checks.ticked();
    this.people.tick();
    this.absences.tick();
    this.mishaps.tick();
    this.checks.everything();
  }

  private aLittleOfEverything(): void {
    const { random, world } = this;
    for (const gateway of world.gateways) {
      if (random.chance(0.8)) world.pump(gateway);
      if (random.chance(0.8)) this.send(gateway);
    }
    for (let count = random.below(world.air.length + 1); count > 0; count--) this.arrival();
    this.workGoesOn(0.3);
  }

  private send(gateway: PretendGateway): void {
    this.world.send(gateway, (offer) => this.checks.sent(offer));
  }

  private arrival(): void {
    const arrived = this.world.arrive();
    if (arrived === null) return;
    const { device, offer } = arrived;
    const { work, isWorking } = device.slotOf(offer);
    const interrupted = isWorking && work !== null ? work.offer : null;
    if (device.take(offer, this.center.nowMs)) this.checks.accepted(offer, interrupted);
    if (this.mishaps.answered(device, offer)) this.absences.keepDark(device);
    else this.absences.answered(device);
  }

  private workGoesOn(share: number): void {
    for (const device of this.devices) {
      if (!this.random.chance(share) && !device.isDue(this.center.nowMs)) continue;
      device.advance(this.center.nowMs, this.center.wallMs);
      this.world.tell(device);
    }
  }

  /**
   * One that has accepted, of which nobody has heard yet, connects elsewhere and is gone again
   * before its second lease is there.
   */
  private roam(): void {
    const { world } = this;
    const unheard = this.devices.filter(
      ({ online, outbox }) => online && outbox.some(({ phase }) => phase === "accepted"),
    );
    if (unheard.length === 0) return;
    const device = this.random.pick(unheard);
    world.move(device);
    for (const other of this.devices) if (other !== device) world.flush(other, false);
    this.tick();
    world.vanish(device);
    for (const gateway of world.gateways) world.pump(gateway);
  }

  /** A device says how it ended, and is gone before anybody looks. */
  private lastWord(): void {
    const ending = this.devices.filter(
      ({ online, outbox }) => online && outbox.some(({ phase }) => LAST_WORDS.has(phase)),
    );
    if (ending.length === 0) return;
    const device = this.random.pick(ending);
    this.world.flush(device, true);
    this.world.vanish(device);
  }

  private flushAll(share: number): void {
    for (const device of this.devices) {
      if (this.random.chance(share)) this.world.flush(device, false);
    }
  }

  /** Those of some devices: a phase may be over before anybody hears that it began. */
  private stickReports(): void {
    const until = this.center.nowMs + this.random.pick(STUCK_MS);
    const share = this.isLate ? 0.8 : 0.3;
    for (const device of this.devices) if (this.random.chance(share)) device.stuckUntilMs = until;
  }

  private dawdle(gateway: PretendGateway): void {
    gateway.dawdlesUntilMs = this.center.nowMs + this.random.pick(DAWDLES_MS);
  }

  private jumpWallClock(): void {
    this.center.wallOffsetMs = this.random.pick([0, 0, DAY_MS, -DAY_MS]);
  }

  /** Everything comes back, time passes, people press on: every rollout must come to its end. */
  private settle(): void {
    const { world, center } = this;
    center.wallOffsetMs = 0;
    this.absences.settle();
    this.mishaps.settle();
    for (const gateway of world.gateways) if (!gateway.isUp) world.restore(gateway);
    for (const device of this.devices) {
      if (!device.online && !this.absences.isDarkened(device)) world.comeBack(device);
    }
    for (let tick = 0; tick < LAST_TICKS; tick++) {
      if (center.rollouts.every(({ progress }) => isEnded(progress.state))) break;
      this.people.pressOn(tick);
      if (tick === DARK_TICKS) this.absences.end();
      for (const gateway of world.gateways) {
        world.pump(gateway);
        this.send(gateway);
      }
      while (world.air.length > 0) this.arrival();
      this.workGoesOn(1);
      for (const device of this.devices) world.flush(device, true);
      this.tick();
    }
    this.checks.ended();
    checkEnds(center.rollouts, this.devices);
  }
}
