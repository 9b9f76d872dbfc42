// SPDX-License-Identifier: Apache-2.0
/**
 * A process of its own for the power-cut tests: starts an agent on a data folder, offers it one
 * release, and ends when the device has said its last word. MUSTER_FAULTS cuts its power.
 *
 * Arguments: data folder, blob folder, JSON of the offer, program of the service hook, and
 * optionally "acknowledge": the center takes all reports at the end.
 */
import { startFixtureAgent } from "./fixture-agent.ts";
import type { OfferPayload } from "../../../protocol/device/offer.ts";

const [dataDirectory = "", blobFolder = "", offer = "", service = "", center = ""] =
  process.argv.slice(2);
const agent = await startFixtureAgent({ dataDirectory, blobFolder, hookPrograms: { service } });
await agent.offer(JSON.parse(offer) as OfferPayload);
if (center === "acknowledge") {
  for (const report of agent.outbox.pending()) await agent.outbox.acknowledge(report);
}
await agent.stop();
