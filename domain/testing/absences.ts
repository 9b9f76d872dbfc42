// SPDX-License-Identifier: Apache-2.0
/**
 * Devices that are gone at the worst moment: with their answer to an offer, until what they were
 * offered is taken back; or with an offer of a rollout that is paused, so that another one may have
 * them when they return.
 */
import { ATTEMPT } from "../attempt.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { PretendDevice } from "./pretend-device.ts";
import type { PretendWorld } from "./pretend-world.ts";
import type { PureCenter } from "./pure-center.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** Longer than an offer lives, twice. */
const NAP_MS = 45_000;

export class Absences {
  private readonly center: PureCenter;
  private readonly world: PretendWorld;
  private readonly rollouts: readonly PureRollout[];
  private readonly random: SeededRandom;
  /** Devices of this history go dark. */
  private readonly isDark: boolean;
  private readonly cameBack: (device: PretendDevice) => void;
  private isSettling = false;
  private readonly dark = new Set<PretendDevice>();
  /** Until when, on the world's clock. */
  private readonly naps = new Map<PretendDevice, number>();
  private readonly epochs = new Map<PureRollout, number>();

  constructor(options: {
    center: PureCenter;
    world: PretendWorld;
    rollouts: readonly PureRollout[];
    random: SeededRandom;
    isDark: boolean;
    /** It was dark until what it had accepted was taken back. */
    cameBack: (device: PretendDevice) => void;
  }) {
    this.center = options.center;
    this.world = options.world;
    this.rollouts = options.rollouts;
    this.random = options.random;
    this.isDark = options.isDark;
    this.cameBack = options.cameBack;
  }

  /** It has answered an offer, and nobody has heard it yet. */
  answered(device: PretendDevice): void {
    if (!this.isDark) return;
    if (device.fate === "bricks" && this.random.chance(0.3)) return this.strand(device);
    if (!this.random.chance(0.1)) return;
    this.dark.add(device);
    device.isOff = this.random.chance(0.5);
    this.world.vanish(device);
  }

  /** It is gone until what it was offered is taken back. */
  keepDark(device: PretendDevice): void {
    this.dark.add(device);
  }

  /** Its gateway is cut off with what was leased to it; it goes on at the other one, and dies. */
  private strand(device: PretendDevice): void {
    const gateway = this.world.gatewayOf(device);
    if (this.isSettling || this.world.gateways.some((other) => !other.isUp)) return;
    this.world.cutOff(gateway);
    this.world.move(device);
  }

  /** From now on no gateway is cut off. */
  settle(): void {
    this.isSettling = true;
  }

  isDarkened(device: PretendDevice): boolean {
    return this.dark.has(device);
  }

  /** Some come back, some go. */
  tick(): void {
    for (const device of this.dark) {
      if (device.online) this.dark.delete(device);
      else if (this.isTakenBack(device) && this.random.chance(0.3)) {
        this.world.comeBack(device);
        this.cameBack(device);
      }
    }
    for (const [device, untilMs] of this.naps) {
      if (this.center.nowMs < untilMs) continue;
      this.naps.delete(device);
      if (!device.online) this.world.comeBack(device);
    }
    if (this.rollouts.length > 1) for (const rollout of this.rollouts) this.leave(rollout);
  }

  /** Now everybody is back. */
  end(): void {
    for (const device of this.dark) this.world.comeBack(device);
  }

  private isTakenBack({ number }: PretendDevice): boolean {
    return this.rollouts.some(
      (rollout) => rollout.positionOf(number) !== -1 && isGoingBack(rollout.progress),
    );
  }

  /** It was just paused: some that hold its offer are gone. */
  private leave(rollout: PureRollout): void {
    const { stopEpoch, state } = rollout.progress;
    const isNews = this.epochs.get(rollout) !== stopEpoch;
    this.epochs.set(rollout, stopEpoch);
    if (!isNews || state !== "paused") return;
    rollout.devices.forEach((number, position) => {
      const device = this.world.devices[number];
      const isOffered = rollout.page.state[position] === ATTEMPT.offered;
      if (device?.online !== true || !isOffered || !this.random.chance(0.5)) return;
      this.world.vanish(device);
      this.naps.set(device, this.center.nowMs + NAP_MS);
    });
  }
}

/** It stops, or goes back; not when it only gives up who was never reached. */
function isGoingBack({ state, hasGivenUpTail }: PureRollout["progress"]): boolean {
  return state === "rolling-back" || (state === "stopping" && !hasGivenUpTail);
}
