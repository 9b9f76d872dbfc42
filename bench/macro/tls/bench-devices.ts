// SPDX-License-Identifier: Apache-2.0
/** Devices with certificates of the bench's authority, as enrolment would have given them. */
import {
  issueDevice,
  openBenchAuthority,
  type KeyAndCertificate,
} from "../gateway/bench-authority.ts";

export interface BenchDevice extends KeyAndCertificate {
  readonly id: string;
}

/** `folder` gets the authority that signs them. */
export async function makeDevices(folder: string, count: number): Promise<readonly BenchDevice[]> {
  const authority = await openBenchAuthority(folder);
  const devices: BenchDevice[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = `device-${String(index).padStart(5, "0")}`;
    devices.push({ id, ...(await issueDevice(authority, id)) });
  }
  return devices;
}
