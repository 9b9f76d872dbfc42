// SPDX-License-Identifier: Apache-2.0
/**
 * The gateways that a device may try: the operator's explicit list, or the center's directory. The
 * directory is kept on disk, so that a device finds a gateway while the center is away.
 *
 * The list is entered at a random place, so that a fleet spreads, and gone round from there; links
 * and downloads share the position: what works for one is tried first for the other.
 */
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import { gatewayDirectorySchema } from "../../protocol/device/enrolment.ts";
import type { GatewayDirectory } from "../../protocol/device/enrolment.ts";
import type { Files } from "../files/files.ts";
import { readChecksummed, writeChecksummed } from "../state/checksummed-text.ts";
import { readGatewayAddress, type GatewayAddress } from "./gateway-address.ts";

const SCHEMA_NAME = "muster.gateway-directory/v1";
/** A thousand gateways with long names. */
const MAX_BYTES = 1_048_576;

/** Asks the center. Throws `unavailable` and the like when there is no answer. */
export type DirectoryFetcher = (signal: AbortSignal) => Promise<GatewayDirectory>;

export class GatewayCandidates {
  readonly #files: Files;
  readonly #path: string;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #fetch: DirectoryFetcher | null;
  #gateways: readonly GatewayAddress[];
  #position = -1;

  /** `gateways` non-empty = the operator's list, and nobody is asked. */
  constructor(options: {
    files: Files;
    path: string;
    random: Random;
    logger: Logger;
    gateways: readonly GatewayAddress[];
    fetchDirectory: DirectoryFetcher;
  }) {
    this.#files = options.files;
    this.#path = options.path;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#gateways = options.gateways;
    this.#fetch = options.gateways.length > 0 ? null : options.fetchDirectory;
  }

  /** The gateway to try now; null when none is known yet. */
  current(): GatewayAddress | null {
    const count = this.#gateways.length;
    if (count === 0) return null;
    if (this.#position === -1) this.#position = Math.floor(this.#random.next() * count);
    return this.#gateways[this.#position % count] ?? null;
  }

  /** The current one failed: the next is tried. */
  moveOn(failed: GatewayAddress): void {
    // Two users of the list may see the same gateway fail; it is left once.
    if (this.current() === failed) this.#position = (this.#position + 1) % this.#gateways.length;
  }

  /**
   * The gateway that another one sends us to (`HOST:PORT`); from now on the current one, when it is
   * known. Null: this is no address.
   */
  redirect(reference: string): GatewayAddress | null {
    const named = readGatewayAddress(reference);
    if (named === null) return null;
    const position = this.#gateways.findIndex(
      ({ host, mqttsPort }) => host === named.host && mqttsPort === named.mqttsPort,
    );
    if (position === -1) return named;
    this.#position = position;
    return this.current();
  }

  get count(): number {
    return this.#gateways.length;
  }

  /** Asks the center for the directory; without an answer, what was known stays. */
  async refresh(signal: AbortSignal): Promise<void> {
    if (this.#fetch === null) return;
    if (this.#gateways.length === 0) await this.#readCache();
    try {
      const directory = await this.#fetch(signal);
      const text = writeChecksummed(SCHEMA_NAME, directory);
      this.#take(directory);
      await this.#files.writeAtomically({ path: this.#path, text, point: "agent.directory" });
    } catch (error) {
      signal.throwIfAborted();
      this.#logger.info("The gateway directory could not be refreshed; the known one is used.", {
        error,
        knownCount: this.#gateways.length,
      });
    }
  }

  async #readCache(): Promise<void> {
    const text = await this.#files.readText(this.#path, MAX_BYTES);
    if (text === null) return;
    const read = readChecksummed({
      schemaName: SCHEMA_NAME,
      schema: gatewayDirectorySchema,
      text,
    });
    if (read.kind === "ok") this.#take(read.value);
    else this.#logger.warn("The kept gateway directory does not read back.", { why: read.why });
  }

  /** Keeps the position on the same gateway where it is still listed; who is full is left out. */
  #take(directory: GatewayDirectory): void {
    const before = this.#position === -1 ? null : this.current();
    const withRoom = directory.gateways.filter(({ isFull }) => isFull !== true);
    const chosen = withRoom.length > 0 ? withRoom : directory.gateways;
    this.#gateways = chosen.map(({ host, mqttsPort, artifactsPort }) => ({
      host,
      mqttsPort,
      artifactsPort,
    }));
    this.#position = this.#gateways.findIndex(
      (gateway) => gateway.host === before?.host && gateway.mqttsPort === before.mqttsPort,
    );
  }
}
