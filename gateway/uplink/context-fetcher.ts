// SPDX-License-Identifier: Apache-2.0
/** The OSCORE keys of devices, asked for at the center; see `KeyFetcher` for when. */
import type { Client } from "@connectrpc/connect";
import { MusterError } from "../../domain/errors.ts";
import type { GatewayLink } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { FetchContexts } from "../listeners/coap/key-fetcher.ts";
import { CONTEXT_BYTES } from "../listeners/coap/key-table.ts";

export function contextFetcher(
  client: Pick<Client<typeof GatewayLink>, "fetchOscoreKeys">,
): FetchContexts {
  return async (senderIds, signal) => {
    const answer = await client.fetchOscoreKeys({ senderIds: [...senderIds] }, { signal });
    const { tenants, devices, keys, firstNumbers, numberCounts } = answer;
    return senderIds.map((senderId, index) => {
      const tenant = tenants[index] ?? "";
      if (tenant === "") return null;
      const own = keys[index];
      if (own === undefined || own.length !== CONTEXT_BYTES) {
        throw new MusterError({ code: "internal", message: "the center's keys have another form" });
      }
      const first = Number(firstNumbers[index] ?? 0n);
      const numbers = { first, count: numberCounts[index] ?? 0 };
      return { senderId, tenant, device: devices[index] ?? "", keys: own, numbers };
    });
  };
}
