// SPDX-License-Identifier: Apache-2.0
/** The other gateways, as the center last said: who they are, and which of them are gone. */
import type { Logger } from "../../ports/logger.ts";
import type { Sibling, SiblingUpdate } from "../../protocol/gen/muster/v1/gateway_pb.ts";

export class Siblings {
  readonly #logger: Logger;
  #byGateway: ReadonlyMap<string, Sibling> = new Map();

  constructor(options: { logger: Logger }) {
    this.#logger = options.logger;
  }

  list(): readonly Sibling[] {
    return [...this.#byGateway.values()];
  }

  /** Takes the whole list, and logs who came and who went. */
  replace(update: SiblingUpdate): void {
    const before = this.#byGateway;
    this.#byGateway = new Map(update.siblings.map((sibling) => [sibling.gateway, sibling]));
    for (const { gateway, region, online } of update.siblings) {
      if (before.get(gateway)?.online === online) continue;
      const message = online ? "sibling gateway is online" : "sibling gateway is offline";
      this.#logger.info(message, { gateway, region });
    }
    for (const gateway of before.keys()) {
      if (!this.#byGateway.has(gateway)) this.#logger.info("sibling gateway is gone", { gateway });
    }
  }
}
