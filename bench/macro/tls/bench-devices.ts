// SPDX-License-Identifier: Apache-2.0
/** Devices with certificates of the bench's authority, as enrolment would have given them. */
import { createPrivateKey, createPublicKey, hash } from "node:crypto";
import { newKeyPem } from "../../../center/identity/authority-files.ts";
import { DEFAULT_TENANT } from "../../../domain/identity.ts";
import { openBenchAuthority } from "../gateway/bench-authority.ts";

export interface BenchDevice {
  readonly id: string;
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** `folder` gets the authority that signs them. */
export async function makeDevices(folder: string, count: number): Promise<readonly BenchDevice[]> {
  const authority = await openBenchAuthority(folder);
  const devices: BenchDevice[] = [];
  for (let index = 0; index < count; index += 1) {
    const key = newKeyPem();
    const form = { format: "der", type: "spki" } as const;
    const publicKeyDer = createPublicKey(createPrivateKey(key)).export(form);
    const request = { publicKeyDer, publicKeySha256: hash("sha256", publicKeyDer, "hex") };
    const id = `device-${String(index).padStart(5, "0")}`;
    const issued = await authority.issueDevice({ request, tenant: DEFAULT_TENANT, device: id });
    devices.push({ id, key, cert: issued.certificatePem, ca: authority.caPem });
  }
  return devices;
}
