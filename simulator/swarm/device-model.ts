// SPDX-License-Identifier: Apache-2.0
/**
 * A pretend device, without a socket, a disk or a timer: inputs in, effects out. The same model
 * runs in a swarm on real sockets and in tests on virtual time.
 *
 * It keeps the device's promises (the newest generation of a slot wins, every accepted generation
 * gets exactly one last word, reports wait until they are acknowledged), except for those that its
 * behaviour breaks. A device that fell silent takes inputs and does nothing.
 */
import type { OfferPayload, WithdrawMessage } from "../../protocol/device/offer.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";
import type { CodecName } from "../../protocol/device/codec-names.ts";
import { SLOTS } from "../../protocol/device/status.ts";
import type { DeviceHeartbeat, DeviceHello, Slot } from "../../protocol/device/status.ts";
import type { SlotStatus, SlotStatuses } from "../../protocol/device/status.ts";
import type { Activation } from "./activation-ledger.ts";
import type { Behaviour } from "./behaviour.ts";
import { ModelCore } from "./model-core.ts";
import type { ModelFacts } from "./model-core.ts";
import type { DownloadedRelease, Effect, ModelTimer, PreparedRelease } from "./model-effects.ts";
import type { ReportBox } from "./report-box.ts";
import { SlotModel } from "./slot-model.ts";
import type { SlotMemory } from "./slot-model.ts";

/** What a journal says of a device. */
export interface DeviceMemory {
  readonly slots: ReadonlyMap<Slot, SlotMemory>;
  /** The model takes it over. */
  readonly reports: ReportBox;
  readonly activations: readonly Activation[];
  readonly exposedRollouts: readonly number[];
}

export type OfflineKind = "never-connects" | "leaves" | null;

export class DeviceModel {
  readonly #core: ModelCore;
  readonly #agentName: string;
  readonly #slots = new Map<Slot, SlotModel>();
  readonly #offlineKind: OfflineKind;
  #connectionNumber = 0;
  #heartbeatSequence = 0;
  #isMuted = false;

  constructor(options: { facts: ModelFacts; agentName: string; memory?: DeviceMemory }) {
    const { facts, memory } = options;
    const core = new ModelCore(facts, memory?.reports);
    this.#core = core;
    this.#agentName = options.agentName;
    const leaves = core.random.next() < 0.5;
    const offlineKind = leaves ? "leaves" : "never-connects";
    this.#offlineKind = facts.behaviour === "offline" ? offlineKind : null;
    for (const [slot, kept] of memory?.slots ?? []) {
      this.#slots.set(slot, new SlotModel({ core, slot, memory: kept }));
    }
    for (const activation of memory?.activations ?? []) core.ledger.add(activation);
    for (const rollout of memory?.exposedRollouts ?? []) core.exposedRollouts.add(rollout);
  }

  get device(): string {
    return this.#core.facts.device;
  }
  get behaviour(): Behaviour {
    return this.#core.facts.behaviour;
  }
  get offlineKind(): OfflineKind {
    return this.#offlineKind;
  }
  get isMuted(): boolean {
    return this.#isMuted;
  }
  get activations(): readonly Activation[] {
    return this.#core.ledger.activations;
  }
  get doubleActivationCount(): number {
    return this.#core.ledger.doubleCount;
  }
  get exposedRollouts(): ReadonlySet<number> {
    return this.#core.exposedRollouts;
  }
  get pendingReportCount(): number {
    return this.#core.reports.pendingCount;
  }
  get droppedGenerationCount(): number {
    return this.#core.reports.droppedCount;
  }

  /** Reports that the center does not have, in order. */
  pendingReports(): Iterable<DeviceReport> {
    return this.#core.reports.pending();
  }

  statuses(): SlotStatuses {
    const statuses: { [slot in Slot]?: SlotStatus } = {};
    for (const slot of SLOTS) {
      const model = this.#slots.get(slot);
      if (model !== undefined) statuses[slot] = model.status;
    }
    return statuses;
  }

  hello(codec: CodecName): DeviceHello {
    const { inventory } = this.#core.facts;
    return {
      protocol: 1,
      agent: this.#agentName,
      codec,
      inventory,
      slots: this.statuses(),
    };
  }

  heartbeat(): DeviceHeartbeat {
    this.#heartbeatSequence += 1;
    return { sequence: this.#heartbeatSequence, slots: this.statuses() };
  }

  /** Once, before the first connection: goes on with what a stopped device was at. */
  start(): readonly Effect[] {
    for (const slot of this.#slots.values()) slot.resume();
    return this.#core.takeEffects();
  }

  /** Connected and subscribed. */
  connected(): readonly Effect[] {
    this.#connectionNumber += 1;
    const connection = this.#connectionNumber;
    const { behaviour, pace } = this.#core.facts;
    if (behaviour === "flaky") {
      this.#core.wait({ kind: "drop", connection }, this.#core.drawMs(pace.flakyConnectedMs));
    }
    if (this.#offlineKind === "leaves") {
      this.#core.wait({ kind: "leave", connection }, this.#core.drawMs(pace.leaveAfterMs));
    }
    return this.#core.takeEffects();
  }

  /** An offer that the center signed; whether for this device and in time is judged here. */
  offered(offer: OfferPayload): readonly Effect[] {
    if (this.#isMuted || this.#offlineKind !== null) return [];
    this.#slot(offer.slot).offered(offer);
    return this.#core.takeEffects();
  }

  /** The offer of this generation may not be accepted any more. */
  withdrawn({ rollout, generation }: WithdrawMessage["withdraw"]): readonly Effect[] {
    if (this.#isMuted) return [];
    this.#core.withdraw(generation);
    this.#core.record({ op: "withdrawn", rollout, generation });
    for (const slot of this.#slots.values()) slot.withdrawn(generation);
    return this.#core.takeEffects();
  }

  prepared(offer: OfferPayload, release: PreparedRelease): readonly Effect[] {
    if (this.#isMuted) return [];
    this.#slots.get(offer.slot)?.prepared(offer.generation, release);
    return this.#core.takeEffects();
  }

  downloaded(slot: Slot, generation: number, release: DownloadedRelease): readonly Effect[] {
    if (this.#isMuted) return [];
    this.#slots.get(slot)?.downloaded(generation, release);
    return this.#core.takeEffects();
  }

  elapsed(timer: ModelTimer): readonly Effect[] {
    if (this.#isMuted) return [];
    if (timer.kind === "attempt") this.#slots.get(timer.slot)?.elapsed(timer);
    else if (timer.connection === this.#connectionNumber) {
      this.#core.emit(timer.kind === "drop" ? { kind: "drop", pauseMs: 0 } : { kind: "leave" });
    }
    return this.#core.takeEffects();
  }

  /** The center has the report. */
  acknowledged(report: DeviceReport): readonly Effect[] {
    if (this.#isMuted) return [];
    const { rollout, position, generation, sequence, phase } = report;
    this.#core.reports.acknowledge(report);
    this.#core.record({ op: "ack", rollout, position, generation, sequence });
    const { silence } = this.#core;
    if (silence?.generation === generation && silence.phase === phase) {
      this.#isMuted = true;
      const attempt = { slot: silence.slot, rollout, position, generation };
      this.#core.record({ op: "silent", ...attempt, digest: report.digest ?? "", version: "" });
      this.#core.emit({ kind: "mute" });
    }
    return this.#core.takeEffects();
  }

  /** The gateway will never take the report. */
  refusedForGood(report: DeviceReport): void {
    this.#core.reports.acknowledge(report);
  }

  #slot(slot: Slot): SlotModel {
    const known = this.#slots.get(slot);
    if (known !== undefined) return known;
    const fresh = new SlotModel({ core: this.#core, slot, memory: null });
    this.#slots.set(slot, fresh);
    return fresh;
  }
}
