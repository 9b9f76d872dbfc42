// SPDX-License-Identifier: Apache-2.0
/**
 * A device's (or gateway's) identity on its disk: `identity/key.pem` (mode 600),
 * `identity/ca.pem`, `identity/cert.pem`, `trust/1.root.json`. The key is there before its request
 * is sent and `cert.pem` is written last, so `cert.pem` alone says "enrolled": a power cut before
 * it leaves a key with which the same token works again.
 */
import { join } from "node:path";
import {
  makePrivateFolder,
  PRIVATE_FILE_MODE,
  readFileIfPresent,
  readPrivateFile,
  removeFile,
  writeDurableFile,
} from "../../protocol/trust/durable-file.ts";
import { faultPoint } from "../../runtime/faults.ts";
import { generateDeviceKey } from "./key-and-request.ts";

export interface StoredIdentity {
  readonly keyPem: string;
  readonly certPem: string;
  readonly caPem: string;
  /** TUF root version 1 as pinned by the token. */
  readonly root: Buffer;
}

export class IdentityFiles {
  readonly #directory: string;

  /** `directory`: the device's folder; made when something is written. */
  constructor(options: { directory: string }) {
    this.#directory = options.directory;
  }

  /** Null when the device is not enrolled. */
  async load(): Promise<StoredIdentity | null> {
    const cert = await readFileIfPresent(this.#path("identity/cert.pem"));
    const ca = await readFileIfPresent(this.#path("identity/ca.pem"));
    const root = await readFileIfPresent(this.#path("trust/1.root.json"));
    const keyPem = await readPrivateFile(this.#path("identity/key.pem"));
    if (cert === null || ca === null || root === null || keyPem === null) return null;
    return { keyPem, certPem: cert.toString("utf8"), caPem: ca.toString("utf8"), root };
  }

  /** The device's key, made and flushed to disk first where there is none. */
  async loadOrCreateKey(): Promise<string> {
    await makePrivateFolder(this.#path("identity"));
    const file = this.#path("identity/key.pem");
    const stored = await readPrivateFile(file);
    if (stored !== null) return stored;
    const keyPem = generateDeviceKey();
    await writeDurableFile(file, keyPem, { mode: PRIVATE_FILE_MODE });
    faultPoint("agent.enrol.key-written");
    return keyPem;
  }

  /** Stores what an enrolment gave. A trust state under another root is forgotten. */
  async save(identity: StoredIdentity): Promise<void> {
    await makePrivateFolder(this.#path("trust"));
    const before = await this.load();
    if (
      before !== null &&
      (before.caPem !== identity.caPem || !before.root.equals(identity.root))
    ) {
      await removeFile(this.#path("identity/cert.pem"));
      await removeFile(this.#path("trust/state.json"));
    }
    await writeDurableFile(this.#path("trust/1.root.json"), identity.root);
    await writeDurableFile(this.#path("identity/ca.pem"), identity.caPem);
    faultPoint("agent.enrol.trust-written");
    await this.saveCertificate(identity.certPem);
  }

  /** Replaces the certificate alone, after a renewal. */
  async saveCertificate(certPem: string): Promise<void> {
    await writeDurableFile(this.#path("identity/cert.pem"), certPem);
    faultPoint("agent.enrol.certificate-written");
  }

  #path(name: string): string {
    return join(this.#directory, ...name.split("/"));
  }
}
