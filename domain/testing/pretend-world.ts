// SPDX-License-Identifier: Apache-2.0
/**
 * Everything between the pure center and its devices: two gateways with their leases and the air,
 * in which offers are lost, delayed, repeated and overtake one another. What happens is drawn from
 * a seed, so a history can be told again.
 */
import type { Offer } from "./center-hooks.ts";
import type { PureCenter } from "./pure-center.ts";
import type { PretendDevice, PretendReport } from "./pretend-device.ts";
import { SLOTS } from "./slots.ts";
import type { SeededRandom } from "../seeded-random.ts";

interface Entry {
  readonly offer: Offer;
  sent: boolean;
}

type Downlink =
  | { readonly kind: "lease"; readonly offer: Offer }
  | { readonly kind: "epoch"; readonly rollout: number; readonly stopEpoch: number };

/** An answer is this old at most when it reaches a center that can be reached. */
const ANSWERS: ReadonlySet<string> = new Set(["accepted", "rejected", "superseded"]);
const REPORT_DELAY_MS = 8_000;

export class PretendGateway {
  isUp = true;
  /** It does not read what the center sent until then. */
  dawdlesUntilMs = 0;
  /** From the center, in order. */
  queue: Downlink[] = [];
  entries: Entry[] = [];
  readonly epochs: Map<number, number> = new Map();
}

export class PretendWorld {
  readonly gateways: readonly PretendGateway[] = [new PretendGateway(), new PretendGateway()];
  readonly devices: readonly PretendDevice[];
  /** Offers on their way to devices. */
  air: Offer[] = [];
  private readonly center: PureCenter;
  private readonly random: SeededRandom;
  /** Gateway of each device now. */
  private readonly home: number[];

  constructor(options: {
    center: PureCenter;
    devices: readonly PretendDevice[];
    random: SeededRandom;
  }) {
    this.center = options.center;
    this.devices = options.devices;
    this.random = options.random;
    this.home = options.devices.map((device) => device.number % 2);
  }

  gatewayOf(device: PretendDevice): PretendGateway {
    const gateway = this.gateways[this.home[device.number] ?? 0];
    if (gateway === undefined) throw new Error("every device has a gateway");
    return gateway;
  }

  lease(offer: Offer): void {
    const device = this.devices[offer.device];
    if (device !== undefined) this.gatewayOf(device).queue.push({ kind: "lease", offer });
  }

  raiseStopEpoch(rollout: number, stopEpoch: number): void {
    for (const gateway of this.gateways) gateway.queue.push({ kind: "epoch", rollout, stopEpoch });
  }

  /** The gateway reads what the center sent, in order. */
  pump(gateway: PretendGateway): void {
    if (!gateway.isUp || this.center.nowMs < gateway.dawdlesUntilMs) return;
    for (const message of gateway.queue.splice(0)) {
      if (message.kind === "lease") this.takeLease(gateway, message.offer);
      else this.stop(gateway, message.rollout, message.stopEpoch);
    }
  }

  private takeLease(gateway: PretendGateway, offer: Offer): void {
    const isStopped = offer.stopEpoch < (gateway.epochs.get(offer.rollout.number) ?? 0);
    const device = this.devices[offer.device];
    const isHere = device?.online === true && this.gatewayOf(device) === gateway;
    if (isStopped || !isHere) this.giveBack({ offer, sent: false });
    else gateway.entries.push({ offer, sent: false });
  }

  private stop(gateway: PretendGateway, rollout: number, stopEpoch: number): void {
    gateway.epochs.set(rollout, Math.max(stopEpoch, gateway.epochs.get(rollout) ?? 0));
    const isOld = ({ offer }: Entry): boolean =>
      offer.rollout.number === rollout && offer.stopEpoch < stopEpoch;
    for (const entry of gateway.entries.filter(isOld)) this.giveBack(entry);
    gateway.entries = gateway.entries.filter((entry) => !isOld(entry));
  }

  private giveBack({ offer, sent }: Entry): void {
    this.center.giveBack(offer, sent);
  }

  /**
   * Offers leave the gateway; some are lost, some repeated. `leaves` is told of those that leave
   * one that has read all that the center sent.
   */
  send(gateway: PretendGateway, leaves: (offer: Offer) => void): void {
    for (const entry of gateway.entries) {
      if (entry.sent) continue;
      entry.sent = true;
      if (gateway.isUp && gateway.queue.length === 0) leaves(entry.offer);
      if (this.random.chance(0.9)) this.air.push(entry.offer);
      if (this.random.chance(0.1)) this.air.push(entry.offer);
    }
  }

  /** Some offer arrives, not the oldest; offers to devices that are not there are lost. */
  arrive(): { device: PretendDevice; offer: Offer } | null {
    const index = this.random.below(this.air.length);
    const offer = this.air[index];
    if (offer === undefined) return null;
    this.air.splice(index, 1);
    const device = this.devices[offer.device];
    return device?.online === true ? { device, offer } : null;
  }

  /** Its reports reach the center in any order, some twice; with `all`, none stays behind. */
  flush(device: PretendDevice, all: boolean): void {
    if (!device.online || !this.gatewayOf(device).isUp) return;
    const { nowMs } = this.center;
    if (nowMs < device.mutedUntilMs) return;
    const isStuck = (report: PretendReport): boolean =>
      nowMs < device.stuckUntilMs && (report.isAgain || !ANSWERS.has(report.phase));
    const goes = (report: PretendReport): boolean => {
      if (all) return true;
      if (isStuck(report)) return false;
      return report.madeAtMs <= nowMs - REPORT_DELAY_MS || this.random.chance(0.5);
    };
    const ready = device.outbox.filter(goes);
    // Often the newest comes first.
    const going =
      device.isHasty || this.random.chance(0.3) ? ready.toReversed() : this.random.shuffle(ready);
    device.outbox = device.outbox.filter((report) => !going.includes(report));
    for (const report of going) {
      this.deliver(report);
      if (this.random.chance(0.1)) this.deliver(report);
      if (this.random.chance(0.1)) device.outbox.push({ ...report, isAgain: true });
    }
    this.tell(device);
  }

  private deliver(report: PretendReport): void {
    const { offer, sequence, phase, reason } = report;
    const { rollout, position, generation, device } = offer;
    this.center.report(rollout, position, { generation, sequence, phase, reason });
    for (const gateway of this.gateways) {
      if (!gateway.isUp) continue; // it does not hear of it, and keeps what it has
      gateway.entries = gateway.entries.filter(
        (entry) => entry.offer.device !== device || entry.offer.rollout.slot !== rollout.slot,
      );
    }
  }

  /** What the device runs, as its gateway says it now. */
  tell(device: PretendDevice): void {
    const told = this.center.told[device.number];
    if (told === undefined) return;
    told.gateway = 1 + (this.home[device.number] ?? 0);
    if (!this.gatewayOf(device).isUp) {
      if (told.presence === "online") told.presence = "unknown";
      return;
    }
    told.presence = device.online ? "online" : "offline";
    if (!device.online) return;
    for (const name of SLOTS) {
      told.slots[name].release = device.slots[name].runs;
      told.slots[name].healthy = device.slots[name].isHealthy;
    }
  }

  vanish(device: PretendDevice): void {
    device.online = false;
    const gateway = this.gatewayOf(device);
    const leaving = gateway.entries.filter(({ offer }) => offer.device === device.number);
    gateway.entries = gateway.entries.filter(({ offer }) => offer.device !== device.number);
    if (gateway.isUp) for (const entry of leaving) this.giveBack(entry);
    this.tell(device);
  }

  /** It connects, to the same gateway or the other; a lease that a dead gateway has is void. */
  comeBack(device: PretendDevice): void {
    if (device.isBricked) return;
    if (this.random.below(2) !== this.home[device.number]) this.move(device);
    device.online = true;
    device.isOff = false;
    this.tell(device);
  }

  /** It connects to the other gateway. */
  move(device: PretendDevice): void {
    this.dropLeases(device);
    this.home[device.number] = 1 - (this.home[device.number] ?? 0);
    this.tell(device);
  }

  private dropLeases(device: PretendDevice): void {
    for (const rollout of this.center.rollouts) {
      const position = rollout.positionOf(device.number);
      if (position !== -1) this.center.forget(rollout, position);
    }
  }

  /** The center starts again: it forgets its leases, gateways name theirs and give them back. */
  restartCenter(): void {
    this.center.restart();
    for (const gateway of this.gateways) {
      gateway.queue = [];
      if (!gateway.isUp) continue;
      for (const entry of gateway.entries.splice(0)) this.giveBack(entry);
      this.tellEpochs(gateway);
    }
  }

  private tellEpochs(gateway: PretendGateway): void {
    for (const { number, progress } of this.center.rollouts) {
      gateway.queue.push({ kind: "epoch", rollout: number, stopEpoch: progress.stopEpoch });
    }
  }

  /** Cut off: its stream ends, what was on the way is lost, its devices are unknown. */
  cutOff(gateway: PretendGateway): void {
    gateway.isUp = false;
    gateway.queue = [];
    for (const device of this.devices) {
      if (this.gatewayOf(device) !== gateway) continue;
      this.tell(device);
      this.dropLeases(device);
    }
  }

  /** It is back: leases of before are void and come back, every stop epoch is told again. */
  restore(gateway: PretendGateway): void {
    gateway.isUp = true;
    for (const entry of gateway.entries.splice(0)) this.giveBack(entry);
    this.tellEpochs(gateway);
    for (const device of this.devices) if (this.gatewayOf(device) === gateway) this.tell(device);
  }
}
