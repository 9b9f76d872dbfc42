// SPDX-License-Identifier: Apache-2.0
/**
 * The run: everybody is connected and works, all workers of the gateway are replaced one after the
 * other, everybody goes on; then what the devices wrote down is compared with what the center has.
 */
import assert from "node:assert/strict";
import { delay } from "../../../ports/clock.ts";
import { checkAll } from "../../../simulator/checkers/checkers.ts";
import type { History } from "../../../simulator/checkers/history.ts";
import { readAudit, readRollouts } from "../../../simulator/checkers/read-rollouts.ts";
import { readJournals, type JournalEntry } from "../../../simulator/swarm/operation-journal.ts";
import type { LoadAnswer } from "../gateway/load.ts";
import { EVENT_LOG, startFleet, type FleetOptions, type UpgradedFleet } from "./fleet.ts";
import { judgeAbsences, type AbsenceFigures } from "./judge-absences.ts";
import { judgeOffers, type OfferFigures } from "./judge-offers.ts";
import { judgeReports, type ReportFigures } from "./judge-reports.ts";
import { readKeptLog } from "./kept-log.ts";
import { Pushes } from "./pushes.ts";

export interface UpgradeOptions extends FleetOptions {
  /** Everybody works for so long before and after the upgrade. */
  readonly calmMs: number;
  readonly say: (text: string) => void;
}

export interface UpgradeResult {
  readonly reports: ReportFigures;
  readonly offers: OfferFigures;
  /** Of the devices with certificates, from the signal on. */
  readonly absences: AbsenceFigures;
  /** Of those on the plain listener. */
  readonly plain: LoadAnswer;
  /** From the signal until the last worker is another one; until everybody is connected again. */
  readonly replacedMs: number;
  readonly wholeMs: number;
  /** In the center, when all is over. */
  readonly onlineCount: number;
  /** Each broken invariant of a rollout, told. */
  readonly violations: readonly string[];
}

const PLAIN_BEAT_MS = 1_000;
const LINES_A_SECOND = 1_000;
/** Ended by hand, long before. */
const PLAIN_MS = 600_000;

export async function runUpgrade(options: UpgradeOptions): Promise<UpgradeResult> {
  await using fleet = await startFleet(options);
  const pushes = new Pushes(fleet, options);
  return await Promise.race([upgrade(fleet, pushes, options), pushes.failed, fleet.swarm.failed]);
}

async function upgrade(
  fleet: UpgradedFleet,
  pushes: Pushes,
  options: UpgradeOptions,
): Promise<UpgradeResult> {
  const { installation, swarm, plain, until } = fleet;
  const { shell, calmMs, say, deviceCount, plainCount } = options;
  const { clock, interrupt } = shell;
  const calm = (): Promise<void> => delay(clock, calmMs, interrupt.signal);
  const plainEnd = plain.say(`flood heartbeat ${PLAIN_BEAT_MS} ${PLAIN_MS} ${LINES_A_SECOND}`);
  plainEnd.catch(() => {}); // What went wrong before it was finished is told by who failed first.
  pushes.startCommands();
  say(`${deviceCount} devices are connected and get commands`);
  await calm();
  const times = await replaceWorkers(fleet, { ...options, begun: () => pushes.startRelease() });
  say(`all workers are others after ${Math.round(times.replacedMs)} ms`);
  await calm();
  await pushes.end();
  const isDone = (): boolean => swarm.stats().pendingReports === 0;
  await until("every report is acknowledged", isDone);
  const all = deviceCount + plainCount;
  await until("the center has everybody online", async () => (await online(fleet)) === all);
  const onlineCount = await online(fleet);
  plain.finish();
  const plainAnswer = await plainEnd;
  const { client } = installation.session;
  const rollouts = await readRollouts(client);
  const audit = await readAudit(client);
  // Its goodbyes are of no interest: they come after what is judged.
  const endedAtMs = clock.wallMs();
  await swarm.stop();
  await installation[Symbol.asyncDispose]();
  const journal = await journalUntil(installation.at("swarm"), endedAtMs);
  // What the center said on the way is not looked at: several rollouts share each device.
  const history: History = { journal, audit, rollouts, observations: [], offerLifetimeMs: 60_000 };
  return {
    ...times,
    reports: judgeReports(journal, readKeptLog(installation.at(EVENT_LOG))),
    offers: judgeOffers(journal, rollouts),
    absences: judgeAbsences(journal.filter(({ at }) => at >= times.signalAtMs)),
    plain: plainAnswer,
    onlineCount,
    violations: checkAll(history).map(({ invariant, story }) => `${invariant}: ${story}`),
  };
}

interface ReplaceTimes extends Pick<UpgradeResult, "replacedMs" | "wholeMs"> {
  /** By the wall clock, as the journal's. */
  readonly signalAtMs: number;
}

async function replaceWorkers(
  fleet: UpgradedFleet,
  { shell, workers, deviceCount, begun }: UpgradeOptions & { readonly begun: () => void },
): Promise<ReplaceTimes> {
  const { installation, swarm, workerPids, until } = fleet;
  const { clock } = shell;
  const before = await workerPids();
  assert.equal(before.length, workers);
  const signalAtMs = clock.wallMs();
  const startMs = clock.monotonicMs();
  process.kill(Number(installation.gateways.get("gw-1")?.facts["pid"]), "SIGHUP");
  begun();
  await until("every worker is another one", async () => {
    const now = await workerPids();
    return now.length === workers && !now.some((pid) => before.includes(pid));
  });
  const replacedMs = clock.monotonicMs() - startMs;
  await until("everybody is connected again", () => swarm.stats().connected === deviceCount);
  return { signalAtMs, replacedMs, wholeMs: clock.monotonicMs() - startMs };
}

/** Devices that the center has connected to a gateway that is online. */
async function online({ installation }: UpgradedFleet): Promise<number> {
  const { client, call } = installation.session;
  const { gateways } = await client.listGateways({}, call);
  return gateways
    .filter((gateway) => gateway.online)
    .reduce((sum, { connectedDevices }) => sum + connectedDevices, 0);
}

async function journalUntil(folder: string, atMs: number): Promise<JournalEntry[]> {
  const journal: JournalEntry[] = [];
  for await (const entry of readJournals(folder)) if (entry.at <= atMs) journal.push(entry);
  return journal;
}
