// SPDX-License-Identifier: Apache-2.0
/**
 * Ed25519 keys that a process makes for itself at its first start and keeps in a file of mode 600:
 * the offer key and the snapshot and timestamp keys stay with the center, the root and targets keys
 * are written for the operator to take away.
 */
import type { KeyObject } from "node:crypto";
import {
  PRIVATE_FILE_MODE,
  readPrivateFile,
  writeDurableFile,
} from "../../protocol/trust/durable-file.ts";
import { generateEd25519Pem, readEd25519Pem } from "../../protocol/trust/ed25519.ts";

/** The key in `file`, made first where there is none; its folder must exist. */
export async function loadOrCreateKey(file: string): Promise<KeyObject> {
  const stored = await readPrivateFile(file);
  if (stored !== null) return readEd25519Pem(stored, file);
  const pem = generateEd25519Pem();
  await writeDurableFile(file, pem, { mode: PRIVATE_FILE_MODE });
  return readEd25519Pem(pem, file);
}
