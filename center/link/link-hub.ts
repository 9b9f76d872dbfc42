// SPDX-License-Identifier: Apache-2.0
/**
 * All live streams, by gateway. One a gateway: a newer one ends the older. What the rollout loop
 * wants gateways to know goes out through here.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  offerLeaves,
  offerMessages,
  type OfferColumns,
  type SignedHead,
} from "../../protocol/device/offer-batch.ts";
import type {
  BandwidthCapsSchema,
  OfferBatchSchema,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { hasBandwidth, type Bandwidth } from "../../domain/bandwidth.ts";
import type { LeaseMessage } from "../rollouts/offer-desk.ts";
import { gatewayOfWorker } from "../../protocol/link/gateway-worker.ts";
import type { GatewayRegistry } from "./gateway-registry.ts";
import type { LinkStream } from "./link-stream.ts";

/** Of one rollout. */
export interface RolloutBandwidthCaps {
  readonly rollout: number;
  readonly bandwidth: Bandwidth;
}

function offerBatchMessage(
  columns: OfferColumns,
  signed: SignedHead,
): MessageInitShape<typeof OfferBatchSchema> {
  const { templates, templateIndexes, devices, nonces } = columns;
  return {
    ...signed,
    devices,
    nonces,
    templates: templates.map((parts) => ({ parts: [...parts] })),
    templateIndexes: [...templateIndexes],
  };
}

/** What a gateway is told of the caps of a rollout. */
export function capsMessage({
  rollout,
  bandwidth,
}: RolloutBandwidthCaps): MessageInitShape<typeof BandwidthCapsSchema> {
  return {
    rollout,
    deviceBytesPerSecond: BigInt(bandwidth.deviceBytesPerSecond),
    siteBytesPerSecond: BigInt(bandwidth.siteBytesPerSecond),
    gatewayBytesPerSecond: BigInt(bandwidth.gatewayBytesPerSecond),
  };
}

export class LinkHub {
  private readonly streams = new Map<number, LinkStream>();
  private readonly leaseLifetimeMs: number;

  constructor(options: { leaseLifetimeMs: number }) {
    this.leaseLifetimeMs = options.leaseLifetimeMs;
  }

  /** The newest stream of a gateway wins. */
  attach(stream: LinkStream): void {
    this.streams.get(stream.gatewayNumber)?.end();
    this.streams.set(stream.gatewayNumber, stream);
  }

  /** True when this stream was the gateway's live one. */
  detach(stream: LinkStream): boolean {
    stream.end();
    if (this.streams.get(stream.gatewayNumber) !== stream) return false;
    this.streams.delete(stream.gatewayNumber);
    return true;
  }

  get(gatewayNumber: number): LinkStream | undefined {
    return this.streams.get(gatewayNumber);
  }

  sendLease(message: LeaseMessage): boolean {
    const { lease, columns, signed, bandwidth } = message;
    const stream = this.streams.get(lease.gatewayNumber);
    if (stream === undefined) return false;
    return stream.send({
      case: "planLease",
      value: {
        leaseId: lease.id,
        rollout: lease.rolloutNumber,
        stopEpoch: BigInt(lease.stopEpoch),
        timeToLiveMs: this.leaseLifetimeMs,
        positions: [...columns.positions],
        ordinals: message.ordinals,
        generations: [...columns.generations],
        ...(hasBandwidth(bandwidth)
          ? { bandwidth: capsMessage({ rollout: lease.rolloutNumber, bandwidth }) }
          : {}),
        ...(stream.linkVersion === 0
          ? { offers: offerMessages(offerLeaves(columns) ?? [], signed) }
          : { offerBatch: offerBatchMessage(columns, signed) }),
      },
    });
  }

  /** The gateways that are told now; the others are when they come back. */
  raiseStopEpoch(rolloutNumber: number, stopEpoch: number): string[] {
    const told: string[] = [];
    for (const stream of this.streams.values()) {
      const value = { rollout: rolloutNumber, stopEpoch: BigInt(stopEpoch) };
      if (stream.send({ case: "stopEpoch", value })) told.push(stream.gateway);
    }
    return told;
  }

  renewLeases(gatewayNumber: number, renew: readonly string[], forget: readonly string[]): void {
    this.streams.get(gatewayNumber)?.send({
      case: "leaseRenewal",
      value: {
        leaseIds: [...renew],
        timeToLiveMs: this.leaseLifetimeMs,
        revokedLeaseIds: [...forget],
      },
    });
  }

  /** Each gateway hears of all the others, and of those with workers once. */
  tellSiblings(registry: GatewayRegistry): void {
    const all = registry.whole();
    for (const stream of this.streams.values()) {
      const siblings = all
        .filter((status) => status.gateway !== gatewayOfWorker(stream.gateway))
        .map((status) => ({
          gateway: status.gateway,
          region: status.region,
          ip: status.ip,
          services: [...status.services],
          online: status.online,
          changedAtMs: BigInt(Math.round(status.changedAtMs)),
        }));
      stream.send({ case: "siblingUpdate", value: { siblings } });
    }
  }

  trustChanged(targetsVersion: number): void {
    for (const stream of this.streams.values()) {
      stream.send({ case: "trustChanged", value: { targetsVersion } });
    }
  }

  endAll(): void {
    for (const stream of this.streams.values()) stream.end();
  }
}
