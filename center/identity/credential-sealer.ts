// SPDX-License-Identifier: Apache-2.0
/**
 * Secrets of devices as the Store keeps them: encrypted with a key that lies in the center's
 * secrets and not in the Store, so that whoever reads its database, or a copy, has no device's
 * keys. AES-256-GCM; what a secret belongs to is part of it, so that none can be put in another's
 * place.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { Random } from "../../ports/random.ts";
import {
  makePrivateFolder,
  PRIVATE_FILE_MODE,
  readPrivateFile,
  writeDurableFile,
} from "../../protocol/trust/durable-file.ts";

const ALGORITHM = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Reads `directory`/credentials.key, or makes it at the first start. */
export async function openCredentialSealer(options: {
  directory: string;
  random: Random;
}): Promise<CredentialSealer> {
  const { directory, random } = options;
  await makePrivateFolder(directory);
  const file = join(directory, "credentials.key");
  const stored = await readPrivateFile(file);
  if (stored !== null) {
    const key = Buffer.from(stored.trim(), "base64");
    if (key.length === KEY_BYTES) return new CredentialSealer({ key, random });
    const message = `${file} does not hold a key of ${KEY_BYTES} bytes`;
    throw new MusterError({ code: "corrupt", message, detail: { file } });
  }
  const key = Buffer.from(random.bytes(KEY_BYTES));
  await writeDurableFile(file, `${key.toString("base64")}\n`, { mode: PRIVATE_FILE_MODE });
  return new CredentialSealer({ key, random });
}

export class CredentialSealer {
  readonly #key: Buffer;
  readonly #random: Random;

  constructor(options: { key: Buffer; random: Random }) {
    this.#key = options.key;
    this.#random = options.random;
  }

  /** Base64. `owner`: what it belongs to. */
  seal(owner: string, secret: Uint8Array): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(owner, "utf8"));
    const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString("base64");
  }

  /** null: it was not sealed with this key for this owner. */
  open(owner: string, sealed: string): Buffer | null {
    const bytes = Buffer.from(sealed, "base64");
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const tagAt = bytes.length - TAG_BYTES;
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, options);
    decipher.setAAD(Buffer.from(owner, "utf8"));
    decipher.setAuthTag(bytes.subarray(tagAt));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, tagAt)), decipher.final()]);
    } catch {
      return null; // The tag does not fit: another key, another owner, or damage.
    }
  }
}
