// SPDX-License-Identifier: Apache-2.0
/** What only this installation knows: the key of operator tokens, and the first token itself. */
import { join } from "node:path";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import {
  makePrivateFolder,
  PRIVATE_FILE_MODE,
  readPrivateFile,
  writeDurableFile,
} from "../protocol/trust/durable-file.ts";
import { DEFAULT_LIFETIME_MS, type OperatorTokens } from "./api/operator-tokens.ts";

const KEY_BYTES = 32;

/** Reads the key of operator tokens, or makes it at the first start. */
export async function loadTokenKey(directory: string, random: Random): Promise<Uint8Array> {
  await makePrivateFolder(directory);
  const file = join(directory, "operator-token.key");
  const existing = await readPrivateFile(file);
  if (existing !== null) return Buffer.from(existing.trim(), "base64");
  const key = random.bytes(KEY_BYTES);
  const text = `${Buffer.from(key).toString("base64")}\n`;
  await writeDurableFile(file, text, { mode: PRIVATE_FILE_MODE });
  return key;
}

/** Makes the first operator token when there is none yet; returns the file that holds it. */
export async function ensureFirstToken(
  options: { directory: string; tokens: OperatorTokens; store: Store },
  signal: AbortSignal,
): Promise<string> {
  const { directory, tokens, store } = options;
  await makePrivateFolder(directory);
  const file = join(directory, "token");
  if ((await readPrivateFile(file)) !== null) return file;
  const made = await tokens.create({
    name: "first",
    tenant: "*",
    role: "admin",
    lifetimeMs: DEFAULT_LIFETIME_MS * 4,
  });
  await store.commit(
    {
      documents: [made.write],
      audit: [
        {
          tenant: "*",
          actor: "system:first-start",
          action: "token.create",
          subject: `token/${made.record.tokenId}`,
          reason: "first start of this installation",
          detail: { name: "first", role: "admin" },
        },
      ],
    },
    { signal },
  );
  await writeDurableFile(file, `${made.token}\n`, { mode: PRIVATE_FILE_MODE });
  return file;
}
