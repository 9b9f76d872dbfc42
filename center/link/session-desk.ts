// SPDX-License-Identifier: Apache-2.0
/**
 * Sessions as gateways announce them: each gets the device's ordinal and a fence, the newest wins,
 * an older one elsewhere is revoked. The newest is where the device connected last, whichever is
 * announced first, and even when it has ended since: after a restart of the center, a gateway may
 * still believe in a session that ended without a word, and what it knows of the device is as old.
 * A snapshot after a reconnect replaces everything that the center believed of that gateway: of
 * what is not in it, nobody saw the end.
 */
import { create } from "@bufbuild/protobuf";
import type {
  SessionCloseBatch,
  SessionOpenBatch,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import {
  RefusalReason,
  SessionRevokeSchema,
  SessionRevokeReason,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { NO_PLACE, siteKey } from "../../domain/place-loads.ts";
import type { Store } from "../../ports/store.ts";
import { readDevice } from "../devices/device-record.ts";
import type { Turns } from "../../runtime/turns.ts";
import type { DeviceNames } from "../state/device-names.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { GatewayRegistry } from "./gateway-registry.ts";
import type { LinkHub } from "./link-hub.ts";
import type { LinkStream } from "./link-stream.ts";

/** A session as a gateway announces it. */
export interface Announced {
  readonly tenant: string;
  readonly id: string;
  /** Of its certificate, in lower-case hex; `oscore:` and its sender id; "" = nothing was shown. */
  readonly serial: string;
}

/** For each, in order: true when its certificate may not be used any more. */
export type RevocationCheck = (
  announced: readonly Announced[],
  signal: AbortSignal,
) => Promise<readonly boolean[]>;

export interface SessionDeskOptions {
  readonly store: Store;
  readonly registry: Pick<GatewayRegistry, "heardBeforeMs">;
  readonly fleet: FleetTable;
  readonly names: DeviceNames;
  readonly hub: LinkHub;
  readonly areRevoked: RevocationCheck;
  /** Of those who read many devices at once. */
  readonly turns: Turns;
  /** Something that rollouts wait for may have changed. */
  readonly onChange: () => void;
}

interface Judged {
  /** 0 = refused. */
  readonly ordinal: number;
  readonly site: number;
  readonly critical: boolean;
  readonly refusal: RefusalReason;
}

export class SessionDesk {
  /** Of those who read many devices at once. */
  readonly turns: Turns;
  private readonly options: SessionDeskOptions;
  private readonly snapshots = new WeakMap<LinkStream, Set<number>>();

  constructor(options: SessionDeskOptions) {
    this.turns = options.turns;
    this.options = options;
  }

  async open(stream: LinkStream, batch: SessionOpenBatch, signal: AbortSignal): Promise<void> {
    if (batch.snapshotBegin) this.snapshots.set(stream, new Set());
    const announced = batch.localIds.map((_, index) => ({
      tenant: batch.tenants[index] ?? "",
      id: batch.devices[index] ?? "",
      serial: batch.certificateSerials[index] ?? "",
    }));
    const judged = await this.turns.take(() => this.judge(announced, signal));
    const outdone = create(SessionRevokeSchema, { reason: SessionRevokeReason.TAKEN_OVER });
    const fences = judged.map(({ ordinal }, index) => {
      if (ordinal === 0) return 0n;
      const localId = batch.localIds[index] ?? 0;
      const openedMsAgo = batch.openedMsAgo[index] ?? 0;
      const { fence, isNewest } = this.grant(stream, ordinal, localId, openedMsAgo);
      if (!isNewest) {
        outdone.localIds.push(localId);
        outdone.fences.push(BigInt(fence));
      }
      return BigInt(fence);
    });
    judged.forEach(({ ordinal }, index) => {
      if (ordinal !== 0) this.options.names.set(ordinal, batch.devices[index] ?? "");
    });
    stream.send({
      case: "sessionGrant",
      value: {
        localIds: batch.localIds,
        ordinals: judged.map(({ ordinal }) => ordinal),
        fences,
        refusals: judged.map(({ refusal }) => refusal),
        sites: judged.map(({ site }) => site),
        critical: judged.map(({ critical }) => critical),
      },
    });
    if (outdone.localIds.length > 0) stream.send({ case: "sessionRevoke", value: outdone });
    if (batch.snapshotEnd) this.endSnapshot(stream);
    this.options.onChange();
  }

  private async judge(announced: readonly Announced[], signal: AbortSignal): Promise<Judged[]> {
    const [devices, revoked] = await Promise.all([
      this.options.store.getDevices(announced, { signal }),
      this.options.areRevoked(announced, signal),
    ]);
    return devices.map((stored, index) => {
      const refused = { ordinal: 0, site: NO_PLACE, critical: false };
      if (stored === null) return { ...refused, refusal: RefusalReason.UNKNOWN_DEVICE };
      const { retired, site, critical, oscoreSenderId } = readDevice(stored);
      if (retired) return { ...refused, refusal: RefusalReason.RETIRED };
      const isRevoked = isOtherOscore(announced[index]?.serial ?? "", oscoreSenderId);
      if (isRevoked || revoked[index] === true) {
        return { ...refused, refusal: RefusalReason.REVOKED_CERTIFICATE };
      }
      const place = siteKey(stored.tenant, site);
      const { ordinal } = stored;
      return { ordinal, site: place, critical, refusal: RefusalReason.UNSPECIFIED };
    });
  }

  private grant(
    stream: LinkStream,
    ordinal: number,
    localId: number,
    openedMsAgo: number,
  ): { fence: number; isNewest: boolean } {
    const { fleet } = this.options;
    const gatewayNumber = fleet.gatewayOf(ordinal);
    if (gatewayNumber !== stream.gatewayNumber) {
      // Its gateway gets a fence like any other, so that it can be told to close this one.
      if (fleet.beganAfter(ordinal, openedMsAgo)) {
        return { fence: fleet.drawFence(), isNewest: false };
      }
      if (gatewayNumber !== 0) this.revoke(ordinal, SessionRevokeReason.TAKEN_OVER);
    }
    const { fence } = fleet.open(ordinal, stream.gatewayNumber, localId, openedMsAgo);
    this.snapshots.get(stream)?.add(ordinal);
    return { fence, isNewest: true };
  }

  /** Tells the gateway that has the device's session to close it. */
  revoke(ordinal: number, reason: SessionRevokeReason): void {
    const { fleet, hub } = this.options;
    hub.get(fleet.gatewayOf(ordinal))?.send({
      case: "sessionRevoke",
      value: {
        localIds: [fleet.localIdOf(ordinal)],
        fences: [BigInt(fleet.fenceOf(ordinal))],
        reason,
      },
    });
  }

  close(batch: SessionCloseBatch): void {
    batch.ordinals.forEach((ordinal, index) => {
      const fence = Number(batch.fences[index] ?? 0n);
      const lastSeenAtMs = Number(batch.lastSeenAtMs[index] ?? 0n);
      this.options.fleet.close(ordinal, fence, lastSeenAtMs);
    });
    this.options.onChange();
  }

  private endSnapshot(stream: LinkStream): void {
    const { fleet, registry } = this.options;
    const heardAtMs = registry.heardBeforeMs(stream.gatewayNumber);
    const named = this.snapshots.get(stream) ?? new Set();
    this.snapshots.delete(stream);
    for (const ordinal of fleet.ordinalsOf(stream.gatewayNumber)) {
      if (!named.has(ordinal)) fleet.lose(ordinal, heardAtMs);
    }
  }
}

const OSCORE_PREFIX = "oscore:";

/** True when the session rests on OSCORE keys that are not the device's any more. */
function isOtherOscore(serial: string, senderId: string | undefined): boolean {
  return serial.startsWith(OSCORE_PREFIX) && serial.slice(OSCORE_PREFIX.length) !== senderId;
}
