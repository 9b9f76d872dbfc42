// SPDX-License-Identifier: Apache-2.0
/**
 * Turns a token, or the certificate a device already has, into a new certificate. Decides and
 * commits; speaks no HTTP (est-routes.ts does). Nothing is answered that is not committed: token,
 * certificate record and audit entry are one commit.
 */
import type { X509Certificate } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";
import type { PeerIdentity } from "../../domain/identity.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DocumentWrite, Store } from "../../ports/store.ts";
import {
  certificateDates,
  certificateIdentity,
  issuanceProblem,
  isoTime,
} from "../../protocol/trust/certificate-identity.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { CertificateAuthority, IssuedCertificate } from "./certificate-authority.ts";
import { readCertificateRequest } from "./certificate-request.ts";
import type { CertificateRequest } from "./certificate-request.ts";
import { redeemEnrolmentToken } from "./enrolment-tokens.ts";
import { isCertificateRevoked, issuanceWrites } from "./issued-certificates.ts";

/** An expired certificate still renews itself for two years: devices that were dark come back. */
export const RENEWAL_GRACE_MS: number = 2 * 365 * 86_400_000;

/** Tries of a redemption that races with another of the same token; each loses to a commit. */
const MAX_COMMIT_TRIES = 4;

/** Answers whether a certificate was revoked, from the Store unless the caller knows better. */
export type RevocationCheck = (
  identity: PeerIdentity,
  serial: string,
  signal: AbortSignal,
) => Promise<boolean>;

export class Enrolment {
  readonly #store: Store;
  readonly #authority: CertificateAuthority;
  readonly #clock: Clock;
  readonly #isRevoked: RevocationCheck;

  constructor(options: {
    store: Store;
    authority: CertificateAuthority;
    clock: Clock;
    isRevoked?: RevocationCheck;
  }) {
    const { store } = options;
    this.#store = store;
    this.#authority = options.authority;
    this.#clock = options.clock;
    this.#isRevoked =
      options.isRevoked ??
      ((identity, serial, signal) => isCertificateRevoked({ store, identity, serial, signal }));
  }

  /**
   * A certificate for the bearer of a token. Throws `unauthenticated` (token), `invalid_argument`
   * (request), `unavailable` (others keep redeeming the same token).
   */
  async enrolWithToken(options: {
    token: string;
    requestBody: Uint8Array;
    signal: AbortSignal;
  }): Promise<IssuedCertificate> {
    const request = await readCertificateRequest(options.requestBody);
    for (let tries = 0; tries < MAX_COMMIT_TRIES; tries += 1) {
      const { grant, write } = await redeemEnrolmentToken({
        store: this.#store,
        token: options.token,
        publicKeySha256: request.publicKeySha256,
        nowMs: this.#clock.wallMs(),
        signal: options.signal,
      });
      const identity: PeerIdentity =
        grant.role === "device"
          ? { role: "device", tenant: grant.scope, device: grant.id }
          : { role: "gateway", region: grant.scope, gateway: grant.id };
      const issued = await this.#issue({ identity, request, hosts: grant.hosts });
      const reason = "enrolled with a token";
      const committed = await this.#commit({ identity, issued, reason, also: [write], ...options });
      if (committed) return issued;
    }
    throw new MusterError({
      code: "unavailable",
      message: "the enrolment token is being redeemed by others at this moment",
      detail: { hint: "try again" },
    });
  }

  /**
   * A certificate for the holder of an earlier one, with its identity and hosts. Throws
   * `unauthenticated` (not ours, or ended more than two years ago), `permission_denied` (revoked),
   * `invalid_argument` (request).
   */
  async renew(options: {
    certificate: X509Certificate;
    requestBody: Uint8Array;
    signal: AbortSignal;
  }): Promise<IssuedCertificate> {
    const { certificate, signal } = options;
    const identity = this.#renewableIdentity(certificate);
    if (await this.#isRevoked(identity, certificate.serialNumber.toLowerCase(), signal)) {
      throw new MusterError({
        code: "permission_denied",
        message: "this certificate was revoked and cannot be renewed",
        detail: { hint: "enrol again with a new token, if this device may come back" },
      });
    }
    const request = await readCertificateRequest(options.requestBody);
    const issued = await this.#issue({ identity, request, hosts: certificateHosts(certificate) });
    const reason = "renewed with the previous certificate";
    const committed = await this.#commit({ identity, issued, reason, also: [], signal });
    if (committed) return issued;
    throw new MusterError({
      code: "unavailable",
      message: "the renewed certificate could not be recorded",
      detail: { hint: "try again" },
    });
  }

  #renewableIdentity(certificate: X509Certificate): PeerIdentity {
    const { certificate: authority } = this.#authority;
    const problem = issuanceProblem({ certificate, authority, usage: "client" });
    if (problem !== null) throw notRenewable(problem);
    const nowMs = this.#clock.wallMs();
    const { notBeforeMs, notAfterMs } = certificateDates(certificate);
    if (nowMs < notBeforeMs) throw notRenewable(`is not valid before ${isoTime(notBeforeMs)}`);
    if (nowMs > notAfterMs + RENEWAL_GRACE_MS) {
      throw notRenewable(`ended more than two years ago, at ${isoTime(notAfterMs)}`);
    }
    const identity = certificateIdentity(certificate);
    if (identity === null || identity.role === "center") {
      throw notRenewable("is not a device's or a gateway's");
    }
    return identity;
  }

  #issue(options: {
    identity: PeerIdentity;
    request: CertificateRequest;
    hosts: readonly string[];
  }): Promise<IssuedCertificate> {
    const { identity, request, hosts } = options;
    if (identity.role === "device") {
      const { tenant, device } = identity;
      return this.#authority.issueDevice({ request, tenant, device });
    }
    const { region, gateway } = identity;
    return this.#authority.issueGateway({ request, region, gateway, hosts });
  }

  async #commit(options: {
    identity: PeerIdentity;
    issued: IssuedCertificate;
    reason: Parameters<typeof issuanceWrites>[0]["reason"];
    also: readonly DocumentWrite[];
    signal: AbortSignal;
  }): Promise<boolean> {
    const { identity, issued, reason } = options;
    const nowMs = this.#clock.wallMs();
    const { document, audit } = issuanceWrites({ identity, issued, nowMs, reason });
    faultPoint("center.certificate.issued");
    const documents = [...options.also, document];
    const result = await this.#store.commit(
      { documents, audit: [audit] },
      { signal: options.signal },
    );
    if (result.ok) faultPoint("center.certificate.recorded");
    return result.ok;
  }
}

/** The DNS names and addresses of a certificate, to be carried over into the next. */
function certificateHosts(certificate: X509Certificate): string[] {
  const hosts: string[] = [];
  for (const name of (certificate.subjectAltName ?? "").split(", ")) {
    const match = /^(?:DNS|IP Address):(.+)$/.exec(name);
    if (match?.[1] !== undefined) hosts.push(match[1]);
  }
  return hosts;
}

function notRenewable(problem: string): MusterError {
  return new MusterError({
    code: "unauthenticated",
    message: `the client certificate ${problem}`,
    detail: { hint: "enrol again with a new token from `muster device enroll`" },
  });
}
