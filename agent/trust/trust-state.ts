// SPDX-License-Identifier: Apache-2.0
/**
 * What a device keeps of TUF between runs: the newest verified file of each role and the offer
 * keys, as one JSON file replaced atomically. Losing it loses the memory against rollback, not the
 * trust: the client starts again from the root pinned at enrolment.
 */
import { join } from "node:path";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import { readFileIfPresent, writeDurableFile } from "../../protocol/trust/durable-file.ts";

/** Each file base64; null = not seen yet. */
export interface TrustState {
  readonly schema: "muster.trust-state/v1";
  readonly root: string;
  readonly timestamp: string | null;
  readonly snapshot: string | null;
  readonly targets: string | null;
  /** Content of the target `muster/offer-keys.json`. */
  readonly offerKeys: string | null;
}

const file = z.base64().max(8_388_608).nullable();

const trustStateSchema: z.ZodType<TrustState> = z.object({
  schema: z.literal("muster.trust-state/v1"),
  root: z.base64().min(1).max(131_072),
  timestamp: file,
  snapshot: file,
  targets: file,
  offerKeys: file,
});

/** The state of a device that has just enrolled: it trusts this root and has seen nothing yet. */
export function firstTrustState(rootBytes: Uint8Array): TrustState {
  return {
    schema: "muster.trust-state/v1",
    root: Buffer.from(rootBytes).toString("base64"),
    timestamp: null,
    snapshot: null,
    targets: null,
    offerKeys: null,
  };
}

/** `trust/state.json` below the device's folder. */
export class TrustStateFile {
  readonly #path: string;

  constructor(options: { directory: string }) {
    this.#path = join(options.directory, "trust", "state.json");
  }

  /** Null when there is none. Throws `corrupt` when it cannot be read. */
  async load(): Promise<TrustState | null> {
    const bytes = await readFileIfPresent(this.#path);
    if (bytes === null) return null;
    try {
      return trustStateSchema.parse(JSON.parse(bytes.toString("utf8")));
    } catch (cause) {
      throw new MusterError({
        code: "corrupt",
        message: "the kept trust state cannot be read",
        detail: {
          file: this.#path,
          hint: "remove the file: the device starts from its pinned root",
        },
        cause,
      });
    }
  }

  /** Durable when it resolves; the folder `trust/` exists since enrolment. */
  async save(state: TrustState): Promise<void> {
    await writeDurableFile(this.#path, `${JSON.stringify(state)}\n`, { mode: 0o600 });
  }
}
