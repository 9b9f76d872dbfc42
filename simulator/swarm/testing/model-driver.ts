// SPDX-License-Identifier: Apache-2.0
/**
 * A device model in a test's hands: collects its effects instead of carrying them out, and carries
 * out the one that the test picks, when it picks it.
 */
import { hash } from "node:crypto";
import { VirtualClock } from "../../../test/helpers/virtual-clock.ts";
import type { OfferPayload } from "../../../protocol/device/offer.ts";
import { releaseTarget } from "../../../protocol/device/release-manifest.ts";
import type { ReleaseManifest } from "../../../protocol/device/release-manifest.ts";
import type { Behaviour } from "../behaviour.ts";
import { DeviceModel } from "../device-model.ts";
import type { DeviceMemory } from "../device-model.ts";
import { refused } from "../judge-offer.ts";
import type { Effect, Operation } from "../model-effects.ts";
import { DEFAULT_PACE } from "../pace.ts";

const TENANT = "default";
const DEVICE = "sim-000001";
/** More effects than any test makes: a model that never comes to rest fails by name. */
const MAX_EFFECTS = 10_000;

export class ModelDriver {
  readonly clock: VirtualClock;
  readonly model: DeviceModel;
  /** Prepare, download and wait effects that were not carried out yet. */
  readonly pool: Effect[] = [];
  readonly operations: Operation[] = [];
  /** Kinds of the other effects, in order. */
  readonly seen: Effect["kind"][] = [];

  constructor(options: {
    behaviour: Behaviour;
    memory?: DeviceMemory;
    clock?: VirtualClock;
    seed?: string;
  }) {
    const { behaviour, memory, clock = new VirtualClock(), seed = "seed" } = options;
    const hwRevision = behaviour === "bad-hardware" ? "rev-b" : "rev-a";
    this.clock = clock;
    this.model = new DeviceModel({
      agentName: "muster-swarm/test",
      ...(memory === undefined ? {} : { memory }),
      facts: {
        tenant: TENANT,
        device: DEVICE,
        behaviour,
        inventory: { hwRevision },
        pace: DEFAULT_PACE,
        seed,
        clock,
      },
    });
    this.run(this.model.start());
  }

  run(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "record") this.operations.push(effect.operation);
      else if (["prepare", "download", "wait"].includes(effect.kind)) this.pool.push(effect);
      else this.seen.push(effect.kind);
    }
  }

  /** Carries an effect out, whether it was before or not. */
  perform(effect: Effect, works = true): void {
    const { model } = this;
    if (effect.kind === "prepare") {
      const { release } = effect.offer;
      const manifest = release === undefined ? null : manifestOf(release.version);
      const ready = { kind: "ready", manifest } as const;
      const failed = refused("download-failed", "the gateway has no such thing");
      this.run(model.prepared(effect.offer, works ? ready : failed));
    } else if (effect.kind === "download") {
      const failed = refused("digest-mismatch", "other bytes");
      const { slot, generation } = effect;
      this.run(model.downloaded(slot, generation, works ? { kind: "ready" } : failed));
    } else if (effect.kind === "wait") this.run(model.elapsed(effect.timer));
  }

  offer(offer: OfferPayload): void {
    this.run(this.model.offered(offer));
  }

  /** Carries out the oldest effects until there are none. */
  settle(): void {
    for (let count = 0; count < MAX_EFFECTS; count += 1) {
      const effect = this.pool.shift();
      if (effect === undefined) return;
      this.perform(effect);
    }
    throw new Error("assertion failed: the model comes to rest");
  }

  /** The center hears every report that waits. */
  acknowledgeAll(): void {
    const waiting = Array.from(this.model.pendingReports());
    for (const report of waiting) {
      this.run(this.model.acknowledged(report));
    }
  }

  /** Phases that were reported of a generation, in order. */
  phases(generation: number): string[] {
    return this.operations.flatMap((operation) =>
      operation.op === "report" &&
      operation.isRepeat !== true &&
      operation.generation === generation
        ? [operation.report.phase]
        : [],
    );
  }
}

/** Versions ending in `-bad` fail on hardware rev-b. */
export function manifestOf(version: string): ReleaseManifest {
  const failsOn = version.endsWith("-bad") ? ["--fails-on=hwRevision:rev-b"] : [];
  return {
    schema: "muster.release/v1",
    tenant: TENANT,
    name: "app",
    version,
    slot: "app",
    fits: version.endsWith("-c") ? { hwRevision: ["rev-c"] } : {},
    artifacts: [],
    steps: [{ kind: "command", run: ["true"] }],
    healthCheck: {
      run: ["sh", "bin/health", ...failsOn],
      timeoutMs: 1,
      attempts: 1,
      intervalMs: 0,
    },
  };
}

export function digestOf(version: string): string {
  return version === "" ? "" : hash("sha256", JSON.stringify(manifestOf(version)), "hex");
}

/** `version` "" asks to remove what runs. */
export function offerOf(
  generation: number,
  version: string,
  more: Partial<OfferPayload> = {},
): OfferPayload {
  const text = JSON.stringify(manifestOf(version));
  const release = {
    name: "app",
    version,
    target: releaseTarget(TENANT, "app", version),
    sha256: digestOf(version),
    lengthBytes: text.length,
  };
  return {
    type: "muster.offer/v1",
    tenant: TENANT,
    device: DEVICE,
    rollout: 100 + generation,
    rolloutName: `rollout-${generation}`,
    position: generation,
    generation,
    stopEpoch: 0,
    slot: "app",
    action: version === "" ? "remove" : "install",
    ...(version === "" ? {} : { release }),
    nonce: `nonce-of-generation-${generation}`,
    issuedAtMs: 0,
    expiresAtMs: 4_000_000_000_000,
    ...more,
  };
}
