// SPDX-License-Identifier: Apache-2.0
/**
 * Turns leases into messages: one offer a device, signed as a batch, ready for the device's topic.
 */
import { assert } from "../../domain/assert.ts";
import { releaseTarget } from "../../protocol/device/release-manifest.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Store } from "../../ports/store.ts";
import { mapInTurns } from "../../runtime/map-in-turns.ts";
import type { Lease } from "./lease-desk.ts";
import type { OpenRollout } from "./open-rollout.ts";

/** Signs a batch: one tree, one signature; the answer is what each device's topic carries. */
export type SignOffers = (
  payloads: readonly OfferPayload[],
  nowMs: number,
) => readonly Uint8Array[];

/** A lease as the link sends it; the n-th element of each column belongs to the n-th device. */
export interface LeaseMessage {
  readonly lease: Lease;
  readonly positions: number[];
  readonly ordinals: number[];
  readonly generations: number[];
  readonly offers: readonly Uint8Array[];
}

export class OfferDesk {
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly sign: SignOffers;
  private readonly offerLifetimeMs: number;

  constructor(options: {
    store: Store;
    clock: Clock;
    random: Random;
    sign: SignOffers;
    offerLifetimeMs: number;
  }) {
    this.store = options.store;
    this.clock = options.clock;
    this.random = options.random;
    this.sign = options.sign;
    this.offerLifetimeMs = options.offerLifetimeMs;
  }

  async write(rollout: OpenRollout, lease: Lease, signal: AbortSignal): Promise<LeaseMessage> {
    const positions = [...lease.entries.keys()];
    const ordinals = positions.map((position) => rollout.ordinalAt(position));
    const devices = await mapInTurns(ordinals, (ordinal) =>
      this.store.getDeviceByOrdinal(ordinal, { signal }),
    );
    const nowMs = this.clock.wallMs();
    const payloads = positions.map((position, index) => {
      const device = devices[index];
      assert(device !== null && device !== undefined, "a planned device is in the Store");
      return this.payload(rollout, lease, position, device.id, nowMs);
    });
    return {
      lease,
      positions,
      ordinals,
      generations: [...lease.entries.values()],
      offers: this.sign(payloads, nowMs),
    };
  }

  private payload(
    rollout: OpenRollout,
    lease: Lease,
    position: number,
    device: string,
    nowMs: number,
  ): OfferPayload {
    const { record, plan } = rollout;
    const target = rollout.targetAt(position);
    const at = target.release.lastIndexOf("@");
    const name = target.release.slice(0, at);
    const version = target.release.slice(at + 1);
    return {
      type: "muster.offer/v1",
      tenant: record.tenant,
      device,
      rollout: record.number,
      rolloutName: record.name,
      position,
      generation: lease.entries.get(position) ?? 0,
      stopEpoch: lease.stopEpoch,
      slot: plan.slot,
      action: target.digest === "" ? "remove" : "install",
      ...(target.digest === ""
        ? {}
        : {
            release: {
              name,
              version,
              target: releaseTarget(record.tenant, name, version),
              sha256: target.digest,
              lengthBytes: target.manifestBytes,
            },
          }),
      nonce: Buffer.from(this.random.bytes(16)).toString("base64url"),
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + this.offerLifetimeMs,
    };
  }
}
