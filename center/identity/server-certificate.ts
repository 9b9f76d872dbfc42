// SPDX-License-Identifier: Apache-2.0
/**
 * The center's own certificate for its TLS listeners (enrolment, API, GatewayLink): issued at
 * start, kept in memory only, and issued anew when two thirds of its ninety days are gone.
 * Listeners register here and get the new one without being reopened; open connections keep the
 * old.
 */
import type { Server as TlsServer } from "node:tls";
import { toMusterError } from "../../domain/errors.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { CertificateAuthority, IssuedCertificate } from "./certificate-authority.ts";
import { SERVER_CERTIFICATE_LIFETIME_MS } from "./certificate-authority.ts";

/** How often the age is looked at; a failed renewal is tried again after this long. */
const CHECK_PERIOD_MS = 6 * 3_600_000;

type ServerIdentity = IssuedCertificate & { readonly keyPem: string };

/** Issues the first certificate and starts watching its age; dispose to stop. */
export async function createServerCertificate(options: {
  authority: CertificateAuthority;
  /** DNS names and addresses at which the center is reached. */
  hosts: readonly string[];
  clock: Clock;
  logger: Logger;
}): Promise<ServerCertificate> {
  const { authority, hosts } = options;
  const identity = await authority.issueServer({ hosts });
  const certificate = new ServerCertificate({ ...options, identity });
  certificate.watch();
  return certificate;
}

export class ServerCertificate implements Disposable {
  readonly #authority: CertificateAuthority;
  readonly #hosts: readonly string[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #servers: Set<TlsServer>;
  #identity: ServerIdentity;
  #cancelTimer: CancelTimer | null;

  constructor(options: {
    authority: CertificateAuthority;
    hosts: readonly string[];
    clock: Clock;
    logger: Logger;
    identity: ServerIdentity;
  }) {
    this.#authority = options.authority;
    this.#hosts = options.hosts;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#identity = options.identity;
    this.#servers = new Set();
    this.#cancelTimer = null;
  }

  /**
   * Options for a new TLS server: `cert`, `key`, and our CA as the one whose clients it asks for.
   */
  get tlsOptions(): { readonly cert: string; readonly key: string; readonly ca: string } {
    const { certificatePem, keyPem } = this.#identity;
    return { cert: certificatePem, key: keyPem, ca: this.#authority.caPem };
  }

  /** Gives the server each renewed certificate until the returned function is called. */
  register(server: TlsServer): () => void {
    this.#servers.add(server);
    return () => this.#servers.delete(server);
  }

  /**
   * Issues a new certificate when less than a third of the old one's time is left; true if it did.
   */
  async renewIfDue(): Promise<boolean> {
    const leftMs = this.#identity.notAfterMs - this.#clock.wallMs();
    if (leftMs > SERVER_CERTIFICATE_LIFETIME_MS / 3) return false;
    this.#identity = await this.#authority.issueServer({ hosts: this.#hosts });
    for (const server of this.#servers) server.setSecureContext(this.tlsOptions);
    return true;
  }

  /** Starts the timer; called once, by `createServerCertificate`. */
  watch(): void {
    this.#cancelTimer = this.#clock.setTimer(CHECK_PERIOD_MS, () => {
      this.watch();
      this.renewIfDue().catch((cause: unknown) => {
        const error = toMusterError(cause, "renewing the center's certificate");
        this.#logger.error("renewing the center's certificate failed", { error });
      });
    });
  }

  [Symbol.dispose](): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
