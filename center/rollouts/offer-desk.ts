// SPDX-License-Identifier: Apache-2.0
/**
 * Turns leases into messages: what the offers of a lease share as a template, what each has of its
 * own in columns, and one signature over the tree of them all.
 */
import type { Bandwidth } from "../../domain/bandwidth.ts";
import { subjectOf } from "../../domain/subject.ts";
import type { OfferedWindows, OfferPayload } from "../../protocol/device/offer.ts";
import {
  NONCE_BYTES,
  offerTemplate,
  packDeviceIds,
  type OfferColumns,
  type OfferTemplate,
  type SignedHead,
} from "../../protocol/device/offer-batch.ts";
import { releaseTarget } from "../../protocol/device/release-manifest.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { TreeHead } from "../identity/offer-signer.ts";
import type { RootOf } from "../identity/offer-roots.ts";
import type { DeviceNames } from "../state/device-names.ts";
import type { Lease } from "./lease-desk.ts";
import type { OpenRollout } from "./open-rollout.ts";

/** Signs a batch: one tree, one signature. */
export type SignHead = (tree: TreeHead, nowMs: number) => SignedHead;

/** A lease as the link sends it; the n-th element of each column belongs to the n-th device. */
export interface LeaseMessage {
  readonly lease: Lease;
  readonly ordinals: number[];
  /** What was signed. */
  readonly columns: OfferColumns;
  readonly signed: SignedHead;
  /** Caps of the rollout, for the gateway. */
  readonly bandwidth: Bandwidth;
}

export class OfferDesk {
  private readonly names: DeviceNames;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly rootOf: RootOf;
  private readonly sign: SignHead;
  private readonly offerLifetimeMs: number;

  constructor(options: {
    names: DeviceNames;
    clock: Clock;
    random: Random;
    rootOf: RootOf;
    sign: SignHead;
    offerLifetimeMs: number;
  }) {
    this.names = options.names;
    this.clock = options.clock;
    this.random = options.random;
    this.rootOf = options.rootOf;
    this.sign = options.sign;
    this.offerLifetimeMs = options.offerLifetimeMs;
  }

  /** As the rollout is now; the answer comes when the tree is built. */
  async write(rollout: OpenRollout, lease: Lease): Promise<LeaseMessage> {
    const { positions, generations } = lease;
    const ordinals = positions.map((position) => rollout.ordinalAt(position));
    const nowMs = this.clock.wallMs();
    const columns = {
      ...this.templatesOf(rollout, lease, positions, nowMs),
      positions,
      generations,
      devices: packDeviceIds(ordinals.map((ordinal) => this.names.bytesOf(ordinal))),
      nonces: this.random.bytes(positions.length * NONCE_BYTES),
    };
    const { bandwidth } = rollout.record.spec;
    const rootHash = await this.rootOf(columns);
    const signed = this.sign({ rootHash, leafCount: positions.length }, nowMs);
    return { lease, ordinals, columns, bandwidth, signed };
  }

  /** One a target and time zone: of a rollback, devices go back to different releases. */
  private templatesOf(
    rollout: OpenRollout,
    lease: Lease,
    positions: readonly number[],
    nowMs: number,
  ): Pick<OfferColumns, "templates" | "templateIndexes"> {
    const hole = Buffer.from(this.random.bytes(NONCE_BYTES)).toString("base64url");
    const templates: OfferTemplate[] = [];
    const indexByKind = new Map<string, number>();
    if (rollout.isUniform) {
      const [first = 0] = positions;
      templates.push(this.template(rollout, lease, first, hole, nowMs));
      return { templates, templateIndexes: [] };
    }
    const templateIndexes = positions.map((position) => {
      const kind = kindOf(rollout, position);
      let index = indexByKind.get(kind);
      if (index === undefined) {
        index = templates.push(this.template(rollout, lease, position, hole, nowMs)) - 1;
        indexByKind.set(kind, index);
      }
      return index;
    });
    return { templates, templateIndexes: templates.length === 1 ? [] : templateIndexes };
  }

  private template(
    rollout: OpenRollout,
    lease: Lease,
    position: number,
    hole: string,
    nowMs: number,
  ): OfferTemplate {
    const { record, plan } = rollout;
    const payload = {
      type: "muster.offer/v1" as const,
      tenant: record.tenant,
      device: hole,
      rollout: record.number,
      rolloutName: record.name,
      position: hole,
      generation: hole,
      stopEpoch: lease.stopEpoch,
      slot: plan.slot,
      ...this.workOf(rollout, position),
      ...offeredWindows(rollout, position),
      ...offeredRate(rollout),
      nonce: hole,
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + this.offerLifetimeMs,
    };
    return offerTemplate(payload, hole);
  }

  /** What the device is to do. */
  private workOf(
    rollout: OpenRollout,
    position: number,
  ): Pick<OfferPayload, "action" | "release" | "command"> {
    const { record } = rollout;
    const subject = subjectOf(record.spec);
    if (subject.kind === "command") return { action: "run", command: subject.command };
    const target = rollout.targetAt(position);
    if (target.digest === "") return { action: "remove" };
    const at = target.release.lastIndexOf("@");
    const name = target.release.slice(0, at);
    const version = target.release.slice(at + 1);
    return {
      action: "install",
      release: {
        name,
        version,
        target: releaseTarget(record.tenant, name, version),
        sha256: target.digest,
        lengthBytes: target.manifestBytes,
      },
    };
  }
}

/** What tells an offer from others of its rollout, beside its device. */
function kindOf(rollout: OpenRollout, position: number): string {
  if (rollout.isGoingBack(position)) return `back to ${rollout.targetAt(position).digest}`;
  return `${rollout.targetIndexAt(position)} ${rollout.zoneAt(position)}`;
}

/** Nothing where a device may fetch as fast as it can. */
function offeredRate({ record }: OpenRollout): Pick<OfferPayload, "bytesPerSecond"> {
  const { deviceBytesPerSecond } = record.spec.bandwidth;
  return deviceBytesPerSecond === 0 ? {} : { bytesPerSecond: deviceBytesPerSecond };
}

/** Nothing where the device may do everything at any time. */
function offeredWindows(
  rollout: OpenRollout,
  position: number,
): { readonly windows?: OfferedWindows } {
  const timeZone = rollout.zoneAt(position);
  // What goes back goes at any hour.
  if (timeZone === "" || rollout.isGoingBack(position)) return {};
  const { install, download } = rollout.record.spec.windows;
  return { windows: { timeZone, install, download } };
}
