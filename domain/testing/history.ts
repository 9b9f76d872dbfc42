// SPDX-License-Identifier: Apache-2.0
/**
 * One random history: a fleet, a rollout with limits drawn at random, some hundred events, and an
 * end in which everything that can still move does. Throws at the first thing that must not be.
 */
import assert from "node:assert/strict";
import { ATTEMPT } from "../attempt.ts";
import { planRollout } from "../planner.ts";
import { isEnded, type RolloutSpec } from "../rollout.ts";
import { mayStop } from "../rollout-engine.ts";
import { HistoryChecks } from "./history-checks.ts";
import { PretendDevice, type Fate } from "./pretend-device.ts";
import { PretendWorld } from "./pretend-world.ts";
import { PureCenter } from "./pure-center.ts";
import { PureRollout, specOf } from "./pure-rollout.ts";
import { SeededRandom } from "../seeded-random.ts";

const NEW_RELEASE = 10;
const TICK_MS = 5_000;
const OFFER_LIFETIME_MS = 20_000;
const EVENTS = 250;
/** Longest that what is left can take: the offline grace, and a rollback's. */
const LAST_TICKS = 3_000;

export interface Told {
  readonly state: string;
  readonly eventCount: number;
  readonly deviceCount: number;
}

export function tellHistory(seed: number): Told {
  return new History(seed).tell();
}

class History {
  private readonly random: SeededRandom;
  private readonly checks = new HistoryChecks();
  private readonly center: PureCenter;
  private readonly world: PretendWorld;
  private readonly devices: readonly PretendDevice[];
  private readonly rollout: PureRollout;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.random = random;
    const badPercent = random.pick([0, 2, 10, 50]);
    this.devices = Array.from({ length: 50 + random.below(30) }, (_, number) => {
      const fate = random.below(100) < badPercent ? pickBad(random) : "good";
      return new PretendDevice(number, fate, 1 + random.below(3));
    });
    this.center = new PureCenter({
      releases: this.devices.map((device) => device.runs),
      hooks: {
        offered: (offer) => {
          this.checks.offered(offer, this.center.wallMs);
          this.world.lease(offer);
        },
        stepped: (rollout, before, event) => this.checks.stepped(rollout, before, event),
        effect: (rollout, effect) => {
          if (effect.kind !== "raise-stop-epoch") return;
          this.world.raiseStopEpoch(rollout.number, effect.stopEpoch);
        },
      },
    });
    this.world = new PretendWorld({ center: this.center, devices: this.devices, random });
    this.rollout = makeRollout(this.devices, randomSpec(random), seed);
    this.center.rollouts.push(this.rollout);
    this.center.step(this.rollout, { kind: "start" });
  }

  tell(): Told {
    for (let event = 0; event < EVENTS; event++) {
      this.happen();
      this.checks.everything(this.center, this.devices);
    }
    this.settle();
    const { state } = this.rollout.progress;
    return { state, eventCount: EVENTS, deviceCount: this.devices.length };
  }

  private happen(): void {
    const { random, world } = this;
    const device = this.devices[random.below(this.devices.length)];
    const gateway = world.gateways[random.below(2)];
    assert(device !== undefined && gateway !== undefined);
    const dice = random.below(1_000);
    if (dice < 350) this.timePasses(1 + random.below(3));
    else if (dice < 550) this.aLittleOfEverything();
    else if (dice < 700) this.workGoesOn(random.next());
    else if (dice < 780) world.vanish(device);
    else if (dice < 900) world.comeBack(device);
    else if (dice < 915) world.cutOff(gateway);
    else if (dice < 945) world.restore(gateway);
    else if (dice < 960) this.flushAll(0.5);
    else if (dice < 965) this.center.wallOffsetMs = random.pick([0, 0, 86_400_000, -86_400_000]);
    else this.command();
  }

  private timePasses(ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      this.aLittleOfEverything();
      this.flushAll(1);
      this.center.tick(TICK_MS);
      this.checks.everything(this.center, this.devices);
    }
  }

  private aLittleOfEverything(): void {
    const { random, world } = this;
    for (const gateway of world.gateways) {
      if (random.chance(0.8)) world.pump(gateway);
      if (random.chance(0.8)) world.send(gateway);
    }
    for (let count = random.below(world.air.length + 1); count > 0; count--) this.arrival();
    this.workGoesOn(0.3);
  }

  private arrival(): void {
    const arrived = this.world.arrive();
    arrived?.device.take(arrived.offer, this.center.nowMs);
  }

  private workGoesOn(share: number): void {
    for (const device of this.devices) {
      if (!this.random.chance(share)) continue;
      device.advance(this.center.nowMs);
      this.world.tell(device);
    }
  }

  private flushAll(share: number): void {
    for (const device of this.devices) {
      if (this.random.chance(share)) this.world.flush(device, false);
    }
  }

  private command(): void {
    const { random, center, rollout } = this;
    const { state } = rollout.progress;
    const dice = random.below(10);
    if (dice < 4 && state === "running") center.step(rollout, { kind: "pause", why: "by hand" });
    else if (dice < 9 && state === "paused") center.step(rollout, { kind: "resume" });
    else if (dice === 9 && random.chance(0.5)) this.stop(random.chance(0.5));
  }

  private stop(rollback: boolean): void {
    const { state } = this.rollout.progress;
    if (!mayStop(state, rollback) || (rollback && this.rollout.child !== null)) return;
    this.center.step(this.rollout, { kind: "stop", why: "by hand", rollback });
  }

  /** Everything comes back, time passes, people press on: every rollout must come to its end. */
  private settle(): void {
    const { world, center } = this;
    center.wallOffsetMs = 0;
    for (const gateway of world.gateways) if (!gateway.isUp) world.restore(gateway);
    for (const device of this.devices) if (!device.online) world.comeBack(device);
    for (let tick = 0; tick < LAST_TICKS; tick++) {
      if (center.rollouts.every(({ progress }) => isEnded(progress.state))) break;
      for (const rollout of center.rollouts) {
        if (rollout.progress.state !== "paused") continue;
        if (tick < 150) center.step(rollout, { kind: "resume" });
        else center.step(rollout, { kind: "stop", why: "by hand", rollback: true });
      }
      for (const gateway of world.gateways) {
        world.pump(gateway);
        world.send(gateway);
      }
      while (world.air.length > 0) this.arrival();
      this.workGoesOn(1);
      for (const device of this.devices) world.flush(device, true);
      center.tick(TICK_MS);
      this.checks.everything(center, this.devices);
    }
    this.checkEnd();
  }

  private checkEnd(): void {
    for (const { number, progress } of this.center.rollouts) {
      const why = `rollout ${number} is ${progress.state}: ${progress.stateReason}`;
      assert(isEnded(progress.state), `${why}; it never ends`);
    }
    const { progress, child } = this.rollout;
    this.rollout.devices.forEach((number, position) => {
      const device = this.devices[number];
      assert(device !== undefined);
      const isProven = this.rollout.page.state[position] === ATTEMPT.succeeded;
      // One that a rollback gave up may go back when everything is over.
      if (isProven && child === null) assert.equal(device.runs, NEW_RELEASE, `${number} runs it`);
      if (progress.state !== "rolled-back" || device.isBricked) return;
      assert.equal(device.runs, device.factory, `${number} is back on what it ran before`);
    });
  }
}

function pickBad(random: SeededRandom): Fate {
  return random.pick(["fails", "rolls-back", "lies", "bricks"]);
}

function randomSpec(random: SeededRandom): RolloutSpec {
  return specOf({
    waves: random.pick([[], [{ count: 1 }], [{ percent: 10 }, { percent: 30 }]]),
    maxInFlight: { count: 1 + random.below(20) },
    blastRadius: { count: 1 + random.below(30) },
    gate: {
      maxFailures: { count: 1 + random.below(10) },
      maxFailureRatePercent: random.pick([0, 1, 5, 20, 100]),
      falseAlarmPercent: random.pick([1, 10]),
      minSuccessPercent: random.pick([0, 50, 95, 100]),
      minSample: random.pick([1, 5]),
    },
    soakMs: random.pick([0, 10_000, 90_000]),
    onStop: random.pick(["rollback", "pause"]),
    notBeforeMs: random.pick([0, 0, 0, 30_000]),
    expiresAtMs: random.pick([0, 0, 0, 600_000, 1_200_000]),
  });
}

function makeRollout(
  devices: readonly PretendDevice[],
  spec: RolloutSpec,
  seed: number,
): PureRollout {
  const inventory = devices.map(({ number }) => ({
    ordinal: number,
    id: `device-${number}`,
    region: "eu",
    site: "one",
    labels: {},
    inventory: {},
    serviceLevel: "",
    critical: false,
    retired: false,
  }));
  const plan = planRollout(
    {
      spec,
      release: { fits: {}, downloadBytes: 1 },
      selects: () => true,
      runsRelease: () => false,
      expectedAttemptMs: 1,
    },
    inventory,
    String(seed),
  );
  return new PureRollout({
    number: 1,
    spec,
    waves: plan.waves,
    limits: plan.limits,
    devices: [...plan.ordinals],
    targets: devices.map(() => NEW_RELEASE),
    parent: null,
    offerLifetimeMs: OFFER_LIFETIME_MS,
  });
}
