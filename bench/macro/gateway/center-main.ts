// SPDX-License-Identifier: Apache-2.0
/** The pretended center as a process: asked over IPC, answers with what it was asked for. */
import { join } from "node:path";
import { openOfferSigner } from "../../../center/identity/offer-signer.ts";
import type { LeaseMessage } from "../../../center/rollouts/offer-desk.ts";
import { openEmbeddedEventLog } from "../../../engines/embedded/event-log.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { centerIdentity, openBenchAuthority } from "./bench-authority.ts";
import type { CenterAnswer, CenterQuestion } from "./center-process.ts";
import { PretendCenter } from "./pretend-center.ts";

const [folder = ""] = process.argv.slice(2);
const log = await openEmbeddedEventLog({
  path: join(folder, "events.db"),
  logger: SILENT_LOGGER,
  signal: new AbortController().signal,
});
const center = new PretendCenter({
  tls: await centerIdentity(await openBenchAuthority(folder)),
  log,
  signer: await openOfferSigner({ directory: join(folder, "secrets") }),
  random: systemRandom,
});
const port = await center.start();
let prepared: readonly LeaseMessage[] = [];

process.on("message", (question: CenterQuestion) => {
  if (question.ask === "prepare") {
    prepared = center.prepareCommand(question.deviceCount, Math.round(systemClock.wallMs()));
  }
  const startNs = process.hrtime.bigint().toString();
  if (question.ask === "push") center.send(prepared);
  const { grantedCount, storedReports } = center;
  answer({ port, grantedCount, storedReports, startNs });
});
process.on("disconnect", () => process.exit());
answer({ port, grantedCount: 0, storedReports: 0, startNs: "0" });

function answer(facts: CenterAnswer): void {
  process.send?.(facts);
}
