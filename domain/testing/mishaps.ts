// SPDX-License-Identifier: Apache-2.0
/**
 * What takes several rare things at once, brought about on purpose in some histories: chance alone
 * would meet it once in tens of thousands. Each is a thing that happens to fleets: a device that
 * hears the center before it is heard itself, a gateway that is cut off with its leases until all
 * is taken back, a device that is found at work after it was given up, one that refuses to go back.
 */
import { ATTEMPT, isUnderWay } from "../attempt.ts";
import type { Offer } from "./center-hooks.ts";
import { isOpen } from "../rollout.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { PretendDevice } from "./pretend-device.ts";
import type { PretendGateway, PretendWorld } from "./pretend-world.ts";
import type { PureCenter } from "./pure-center.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** Of histories. */
const SHARE = 0.35;
/** Two ticks: an offer is made, sent and answered. */
const MUTE_MS = 10_000;
/** Longer than an install and its examination. */
const STUCK_MS = 150_000;
const NOT_YET_INSTALLING: readonly number[] = [
  ATTEMPT.accepted,
  ATTEMPT.downloading,
  ATTEMPT.downloaded,
];

export class Mishaps {
  private readonly center: PureCenter;
  private readonly world: PretendWorld;
  private readonly rollouts: readonly PureRollout[];
  private readonly random: SeededRandom;
  private readonly rollBack: (rollout: PureRollout) => void;
  private readonly isOn: boolean;
  private isSettling = false;
  /** Off, and not back before they are given up. */
  private readonly givenUp = new Set<PretendDevice>();
  /** Back after that, and at work. */
  private readonly found = new Set<PretendDevice>();
  /** Back after that, and gone once more until it has put back what it examined. */
  private readonly unseen = new Set<PretendDevice>();
  /** Gateways that stay cut off until this offer of theirs was superseded. */
  private readonly heldFor = new Map<PretendGateway, Offer>();

  constructor(options: {
    center: PureCenter;
    world: PretendWorld;
    rollouts: readonly PureRollout[];
    random: SeededRandom;
    /** Somebody takes the rollout back, if that may be done. */
    rollBack: (rollout: PureRollout) => void;
  }) {
    this.center = options.center;
    this.world = options.world;
    this.rollouts = options.rollouts;
    this.random = options.random;
    this.rollBack = options.rollBack;
    this.isOn = this.random.chance(SHARE);
    if (!this.isOn || !this.rollouts.some(({ together }) => together.includes(true))) return;
    for (const device of this.world.devices) device.refusesToGoBack = this.random.chance(0.3);
  }

  /** It was gone and is back: it may hear the center before anybody hears it. */
  cameBack(device: PretendDevice): void {
    if (!this.isOn || !this.random.chance(0.7)) return;
    device.mutedUntilMs = this.center.nowMs + MUTE_MS;
    device.isHasty = true;
  }

  /** It has answered an offer, and nobody has heard it yet; true = it is dark from now on. */
  answered(device: PretendDevice, offer: Offer): boolean {
    if (!this.isOn || this.isSettling || !device.online || !this.random.chance(0.2)) return false;
    const { rollout } = offer;
    const gateway = this.world.gatewayOf(device);
    const isCutOff = this.world.gateways.some((other) => !other.isUp);
    // Nobody else is waited for there, or the rollout would not go back before it is back.
    const isAlone = this.world.devices.every(
      (other) =>
        other === device ||
        this.world.gatewayOf(other) !== gateway ||
        !isOut(rollout.page.state[rollout.positionOf(other.number)]),
    );
    if (isCutOff || !isAlone || rollout.parent !== null) return false;
    this.world.cutOff(gateway);
    this.world.move(device);
    this.world.vanish(device);
    device.isOff = true;
    this.heldFor.set(gateway, offer);
    return true;
  }

  isHeld(gateway: PretendGateway): boolean {
    return this.heldFor.has(gateway);
  }

  isGone(device: PretendDevice): boolean {
    return this.givenUp.has(device) || this.unseen.has(device);
  }

  /** From now on everything comes back. */
  settle(): void {
    this.isSettling = true;
    this.heldFor.clear();
    this.givenUp.clear();
    this.unseen.clear();
  }

  tick(): void {
    if (!this.isOn) return;
    for (const [gateway, offer] of this.heldFor) {
      if (this.random.chance(0.1)) this.rollBack(offer.rollout);
      if (stateOf(offer) !== ATTEMPT.superseded) continue;
      this.heldFor.delete(gateway);
      this.world.restore(gateway);
    }
    if (!this.isSettling) for (const device of this.world.devices) this.loseSight(device);
    for (const device of this.givenUp) this.find(device);
    for (const device of this.found) this.interrupt(device);
    for (const device of this.unseen) this.show(device);
  }

  /** It switches off before it installs; it will put the release back after examining it. */
  private loseSight(device: PretendDevice): void {
    const { work, isWorking } = device.slots.app;
    if (!isWorking || work === null || device.fate !== "rolls-back" || !device.online) return;
    const { rollout, isWayBack } = work.offer;
    if (rollout.parent !== null || isWayBack || !isOpen(rollout.progress.state)) return;
    if (!NOT_YET_INSTALLING.includes(work.phase) || !this.random.chance(0.2)) return;
    this.world.vanish(device);
    device.isOff = true;
    this.givenUp.add(device);
  }

  private find(device: PretendDevice): void {
    const state = stateOf(device.slots.app.work?.offer);
    if (state !== ATTEMPT.lost && state !== ATTEMPT["timed-out"]) return;
    this.givenUp.delete(device);
    this.world.comeBack(device);
    device.stuckUntilMs = this.center.nowMs + STUCK_MS;
    this.found.add(device);
  }

  /** While it shows the release that it examines, the release is taken back, or it is gone. */
  private interrupt(device: PretendDevice): void {
    const { work, isWorking } = device.slots.app;
    if (!isWorking || work === null) this.found.delete(device);
    else if (stateOf(work.offer) === ATTEMPT.verifying) {
      this.found.delete(device);
      if (this.random.chance(0.5)) return this.rollBack(work.offer.rollout);
      this.world.vanish(device);
      this.unseen.add(device);
    }
  }

  private show(device: PretendDevice): void {
    if (device.slots.app.isWorking) return;
    this.unseen.delete(device);
    this.world.comeBack(device);
  }
}

function isOut(state: number | undefined): boolean {
  return state === ATTEMPT.offered || (state !== undefined && isUnderWay(state));
}

function stateOf(offer: Offer | undefined): number | undefined {
  return offer?.rollout.page.state[offer.position];
}
