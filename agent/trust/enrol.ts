// SPDX-License-Identifier: Apache-2.0
/**
 * Enrolment of a device or a gateway: from a one-time token to a certificate and two anchors (the
 * CA and the TUF root). One connection, in this order, so that each step is checked before the next
 * says anything secret:
 *
 * 1. read the CA certificates; the token's SHA-256 decides which to trust
 * 2. verify this very connection's peer: the center, by that CA
 * 3. read TUF root version 1; the token's SHA-256 decides
 * 4. send the request with the token; check the certificate that comes back
 *
 * The key exists, and is on disk, before step 4: cut off anywhere, the same call with the same
 * token goes through.
 */
import { MusterError } from "../../domain/errors.ts";
import { readEnrolmentToken } from "../../protocol/device/enrolment.ts";
import type { EnrolmentTokenClaims } from "../../protocol/device/enrolment.ts";
import {
  certificateDates,
  certificateIdentity,
  readCertificate,
} from "../../protocol/trust/certificate-identity.ts";
import type { CertificateIdentity } from "../../protocol/trust/certificate-identity.ts";
import {
  connectUntrusted,
  fetchCertificate,
  fetchPinnedAuthority,
  fetchPinnedRoot,
  trustCenter,
} from "./est-client.ts";
import type { CenterAddress } from "./est-client.ts";
import { IdentityFiles } from "./identity-files.ts";
import type { StoredIdentity } from "./identity-files.ts";
import { certificateRequest, generateDeviceKey } from "./key-and-request.ts";
import type { WorkingTime } from "./working-time.ts";

/** What an enrolment gives; `identity` is who the certificate says the holder is. */
export interface EnrolledIdentity extends StoredIdentity {
  readonly identity: CertificateIdentity;
}

/**
 * Enrols without touching a disk. `keyPem`: a key to use; default a new one. Raises the floor of
 * `workingTime` to the start of the certificates it has verified. Throws `invalid_argument` (not a
 * token), `untrusted` (CA, root or certificate is not what the token says), `unauthenticated`
 * (token unknown, expired, used), `unavailable`, `deadline_exceeded`, `cancelled`.
 */
export async function enrolInMemory(
  options: CenterAddress & {
    readonly token: string;
    readonly keyPem?: string;
    readonly workingTime: WorkingTime;
  },
): Promise<EnrolledIdentity> {
  const { workingTime, signal } = options;
  const token = options.token.trim(); // Out of a file it ends in a line feed.
  const claims = readClaims(token);
  const keyPem = options.keyPem ?? generateDeviceKey();
  using connection = await connectUntrusted(options);
  const caPem = await fetchPinnedAuthority(connection, { caSha256: claims.ca, signal });
  trustCenter(connection, { caPem, workingTime });
  const root = await fetchPinnedRoot(connection, { rootSha256: claims.root, signal });
  const expected = identityOf(claims);
  const certificate = await fetchCertificate(connection, {
    token,
    requestBase64: await certificateRequest(keyPem),
    keyPem,
    caPem,
    expected,
    signal,
  });
  // Issued a moment ago for a key that is new: as good as a signed time, as a lower bound.
  workingTime.raiseFloor(certificateDates(certificate).notBeforeMs);
  return { keyPem, certPem: certificate.toString(), caPem, root, identity: expected };
}

/**
 * Enrols and stores the identity below `directory` (see identity-files.ts for the layout). `role`:
 * what the holder is; a token for the other one is refused before it is used up.
 */
export async function enrol(
  options: CenterAddress & {
    readonly token: string;
    readonly directory: string;
    readonly workingTime: WorkingTime;
    readonly role?: EnrolmentTokenClaims["role"];
  },
): Promise<EnrolledIdentity> {
  const { role, scope, id } = readClaims(options.token);
  if (options.role !== undefined && role !== options.role) {
    throw new MusterError({
      code: "invalid_argument",
      message: `the enrolment token is for the ${role} ${scope}/${id}, not for a ${options.role}`,
      detail: { field: "token", hint: `make one with: muster ${options.role} enroll` },
    });
  }
  const files = new IdentityFiles(options);
  const keyPem = await files.loadOrCreateKey();
  const enrolled = await enrolInMemory({ ...options, keyPem });
  await files.save(enrolled);
  return enrolled;
}

/**
 * Renews the certificate stored below `directory` with itself as credential, for the same key.
 * Works up to two years after it ended. Throws `failed_precondition` when the device is not
 * enrolled, `permission_denied` when the certificate was revoked, and what `enrolInMemory` throws.
 */
export async function reenrol(
  options: CenterAddress & { readonly directory: string; readonly workingTime: WorkingTime },
): Promise<EnrolledIdentity> {
  const files = new IdentityFiles(options);
  const stored = await files.load();
  const certificate =
    stored === null ? null : readCertificate(stored.certPem, "the device's certificate");
  const expected = certificate === null ? null : certificateIdentity(certificate);
  if (stored === null || expected === null) {
    throw new MusterError({
      code: "failed_precondition",
      message: "this device is not enrolled, so there is no certificate to renew",
      detail: { file: options.directory, hint: "enrol it with a token" },
    });
  }
  const { certPem, keyPem, caPem } = stored;
  using connection = await connectUntrusted({ ...options, certPem, keyPem });
  trustCenter(connection, { caPem, workingTime: options.workingTime });
  const renewed = await fetchCertificate(connection, {
    token: null,
    requestBase64: await certificateRequest(keyPem),
    keyPem,
    caPem,
    expected,
    signal: options.signal,
  });
  options.workingTime.raiseFloor(certificateDates(renewed).notBeforeMs);
  await files.saveCertificate(renewed.toString());
  return { ...stored, certPem: renewed.toString(), identity: expected };
}

function readClaims(token: string): EnrolmentTokenClaims {
  const claims = readEnrolmentToken(token.trim());
  if (claims !== null) return claims;
  throw new MusterError({
    code: "invalid_argument",
    message: "this is not an enrolment token",
    detail: { field: "token", hint: "it begins with muster-enrol. and is one line; copy it whole" },
  });
}

function identityOf(claims: EnrolmentTokenClaims): CertificateIdentity {
  return claims.role === "device"
    ? { role: "device", tenant: claims.scope, device: claims.id }
    : { role: "gateway", region: claims.scope, gateway: claims.id };
}
