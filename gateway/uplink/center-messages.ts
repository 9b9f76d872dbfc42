// SPDX-License-Identifier: Apache-2.0
/**
 * What the center says, done in the order in which it was said: a message is handled to its end,
 * disk included, before the next one is read. So a stop that comes after a lease finds the lease.
 */
import type { Logger } from "../../ports/logger.ts";
import {
  RefusalReason,
  SessionRevokeReason,
  type ConnectResponse,
  type SessionGrantBatch,
  type SessionRevoke,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { Redirects } from "../admission/redirects.ts";
import type { RolloutCaps } from "../artifacts/rollout-caps.ts";
import type { TrustCache } from "../artifacts/trust-cache.ts";
import type { LeaseService } from "../leases/lease-service.ts";
import type { ReportBuffer } from "../pipeline/report-buffer.ts";
import type { SessionLifecycle } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import type { SessionAnnouncer } from "./session-announcer.ts";
import type { Siblings } from "./siblings.ts";

/** For the log. */
const REFUSALS: ReadonlyMap<RefusalReason, string> = new Map([
  [RefusalReason.UNKNOWN_DEVICE, "unknown device"],
  [RefusalReason.RETIRED, "retired"],
  [RefusalReason.REVOKED_CERTIFICATE, "revoked certificate"],
]);

export interface CenterMessagesOptions {
  readonly table: SessionTable;
  readonly lifecycle: SessionLifecycle;
  readonly announcer: SessionAnnouncer;
  readonly reports: ReportBuffer;
  readonly leases: LeaseService;
  readonly trust: TrustCache;
  readonly siblings: Siblings;
  readonly redirects: Pick<Redirects, "replace">;
  readonly caps: RolloutCaps;
  readonly logger: Logger;
}

export class CenterMessages {
  readonly #table: SessionTable;
  readonly #lifecycle: SessionLifecycle;
  readonly #announcer: SessionAnnouncer;
  readonly #reports: ReportBuffer;
  readonly #leases: LeaseService;
  readonly #trust: TrustCache;
  readonly #siblings: Siblings;
  readonly #redirects: Pick<Redirects, "replace">;
  readonly #caps: RolloutCaps;
  readonly #logger: Logger;

  constructor(options: CenterMessagesOptions) {
    this.#table = options.table;
    this.#lifecycle = options.lifecycle;
    this.#announcer = options.announcer;
    this.#reports = options.reports;
    this.#leases = options.leases;
    this.#trust = options.trust;
    this.#siblings = options.siblings;
    this.#redirects = options.redirects;
    this.#caps = options.caps;
    this.#logger = options.logger;
  }

  async handle(message: ConnectResponse): Promise<void> {
    const { kind } = message;
    switch (kind.case) {
      case "sessionGrant":
        return this.#grant(kind.value);
      case "sessionRevoke":
        return this.#revoke(kind.value);
      case "rolloutBandwidth":
        return kind.value.caps.forEach((caps) => this.#caps.learn(caps));
      case "planLease":
        this.#caps.learn(kind.value.bandwidth);
        return this.#leases.take(kind.value);
      case "leaseRenewal":
        return this.#leases.renew(kind.value);
      case "stopEpoch":
        return this.#leases.stopRollout(kind.value);
      case "reportAcknowledgement":
        return this.#reports.acknowledge(kind.value.batchSequence);
      case "siblingUpdate":
        return this.#siblings.replace(kind.value);
      case "relief":
        return this.#redirects.replace(kind.value);
      case "trustChanged":
        return this.#trust.refreshSoon();
      case "welcome": // The uplink has taken it.
      case undefined: // A message of a newer center: it must not depend on our knowing it.
        return;
    }
  }

  #grant(batch: SessionGrantBatch): void {
    for (let index = 0; index < batch.localIds.length; index += 1) {
      const slot = this.#table.slotOfLocalId(batch.localIds[index] as number);
      const ordinal = batch.ordinals[index] ?? 0;
      const fence = Number(batch.fences[index] ?? 0n);
      if (ordinal === 0) this.#refuse(slot, batch.refusals[index]);
      else if (slot === -1) this.#announcer.grantUnwanted(ordinal, fence);
      else {
        this.#table.site[slot] = batch.sites[index] ?? 0;
        // An earlier center does not say: then each device may be critical.
        this.#table.setCritical(slot, batch.critical[index] ?? true);
        this.#lifecycle.grant(slot, ordinal, fence);
      }
    }
  }

  #refuse(slot: number, reason: RefusalReason | undefined): void {
    if (slot === -1) return;
    const device = this.#table.device(slot);
    this.#logger.info("center refused the session", {
      device,
      reason: REFUSALS.get(reason ?? RefusalReason.UNSPECIFIED) ?? "unspecified",
    });
    this.#table.link(slot).close(reason === RefusalReason.RETIRED ? "retired" : "refused");
  }

  #revoke(message: SessionRevoke): void {
    const isRetired = message.reason === SessionRevokeReason.RETIRED;
    for (let index = 0; index < message.localIds.length; index += 1) {
      const slot = this.#table.slotOfLocalId(message.localIds[index] as number);
      if (slot === -1 || !this.#table.isGranted(slot)) continue;
      if (this.#table.fence[slot] !== Number(message.fences[index])) continue;
      this.#table.link(slot).close(isRetired ? "retired" : "taken-over");
    }
  }
}
