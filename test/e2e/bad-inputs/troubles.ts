// SPDX-License-Identifier: Apache-2.0
/** Wrong clocks and full disks. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Presence, RolloutState } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { until } from "../../helpers/until.ts";
import { ended, type MusterResult } from "../../integration/cli/run-muster.ts";
import { command, type Area, type BadCommand, type BadInput, type Observed } from "./bad-input.ts";
import { makeBundle } from "./bundles.ts";
import { tryOut } from "./installs.ts";
import { GATEWAY_FULL } from "./links.ts";
import { AGENT, logLines, rollOut, SPARE, writeIdentity, type World } from "./world.ts";

const CLOCK_MAIN = fileURLToPath(new URL("clock-main.ts", import.meta.url));
const TEN_YEARS_MS = 10 * 365 * 86_400_000;
const TIMEOUT_MS = 20_000;

/** `muster WORDS` on a machine whose clock is off by `offMs`. */
function startOff(folder: string, offMs: number, words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CLOCK_MAIN, "--off", String(offMs), ...words], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS * 2,
    killSignal: "SIGKILL",
  });
}

function agentWords(world: World): string[] {
  const { enrolmentUrl } = world.installation;
  const words = ["agent", "--data", "device", "--enrolment-url", enrolmentUrl];
  return [...words, "--admin-port", "0", "--backoff-ceiling", "50ms", "--log-file", "agent.log"];
}

const CLOCK_ENROL: BadInput = {
  id: "clock-enrol",
  title: "The clock of a device is ten years ahead when it enrols",
  given: "The first start of `muster agent`; the token stays good",
  arrange: async (world, folder) => {
    await writeFile(join(folder, "token"), world.enrolmentTokens.good);
  },
  act: async (world, folder): Promise<Observed> => {
    const words = [...agentWords(world), "--enrol-token-file", "token"];
    const result: MusterResult = await ended(startOff(folder, TEN_YEARS_MS, words));
    const { status, stderr } = result;
    return { outcome: `exit status ${status}`, message: stderr, values: times(stderr) };
  },
};

/** When the certificate ends, and what the device takes for the present. */
function times(message: string): { readonly [name: string]: string } {
  const [end = "", now = ""] = message.match(/\d{4}-\d\d-\d\dT[\d:.]+Z/g) ?? [];
  return { end, now };
}

/** Runs the agent until `check` holds, then stops it. */
async function runAgentUntil(
  world: World,
  folder: string,
  offMs: number,
  check: () => Promise<boolean>,
): Promise<void> {
  const child = startOff(folder, offMs, agentWords(world));
  try {
    const { signal } = world;
    await until("the agent is where it should be", check, { timeoutMs: TIMEOUT_MS, signal });
  } finally {
    const gone = once(child, "close");
    child.kill("SIGTERM");
    await gone;
  }
}

/** The first line of the agent's log with each of these messages. */
async function said(folder: string, messages: readonly string[]): Promise<string[]> {
  const lines = await logLines(join(folder, "agent.log"), 0);
  return messages.map((message) => {
    const why = lines.find(({ msg }) => msg === message)?.["why"];
    return why === undefined ? message : `${message}\n  ${why}`;
  });
}

const TOOK_TIME = "Took the time from the center.";
const NO_LINK = "A gateway cannot be reached.";

const CLOCK_LINK: BadInput = {
  id: "clock-link",
  title: "The clock of a device jumps ten years ahead",
  given: `A later start of \`muster agent\`: no gateway's certificate seems valid, so the agent asks
the center for a signed time. Its log, until it is online`,
  arrange: async (world, folder) => {
    await writeIdentity(join(folder, "device"), world.spare);
    const isOnline = isSpareOnline(world);
    const state = join(folder, "device", "trust", "state.json");
    const hasTrust = async (): Promise<boolean> => {
      const text = await readFile(state, "utf8").catch(() => "");
      return /"offerKeys": ?"/.test(text) && (await isOnline());
    };
    await runAgentUntil(world, folder, 0, hasTrust);
    await writeFile(join(folder, "agent.log"), "");
    const { signal } = world;
    const isGone = async (): Promise<boolean> => !(await isOnline());
    await until("the device is offline again", isGone, { timeoutMs: TIMEOUT_MS, signal });
  },
  act: async (world, folder) => {
    await runAgentUntil(world, folder, TEN_YEARS_MS, isSpareOnline(world));
    const message = (await said(folder, [NO_LINK, TOOK_TIME])).join("\n");
    return { outcome: "the device is online", message, values: times(message) };
  },
};

function isSpareOnline(world: World): () => Promise<boolean> {
  return async () => {
    const { device } = await world.installation.session.client.getDevice({ id: SPARE });
    return device?.presence === Presence.ONLINE;
  };
}

export const CLOCKS: Area = {
  alone: true,
  title: "Clocks",
  intro: "A device's own clock is advisory; what it judges certificates by is a time it can trust.",
  cases: [CLOCK_ENROL, CLOCK_LINK],
};

/** More than the write-ahead log of a database may hold: a commit of it needs space. */
const BULK_ROWS = 1_000;
const BULK_LABELS = Array.from({ length: 30 }, (_, index) => `l${index}=${"x".repeat(250)}`);

const AGENT_FULL: BadInput = {
  id: "full-agent",
  title: "At the device",
  given: "A rollout of `shop` 1.1.0. Then `muster get attempts full-agent`",
  recordedBy: ["center", "gateway"],
  fillsDisk: true,
  arrange: (world) => world.disks.fill(world.installation.at(AGENT), 2 * 2 ** 20),
  act: async (world, folder) => {
    const observed = await tryOut(world, folder, "full-agent", "shop@1.1.0");
    const free = /and (\d+) are free/.exec(observed.message)?.[1] ?? "";
    const needed = /needs (\d+) bytes/.exec(observed.message)?.[1] ?? "";
    return { ...observed, values: { ...observed.values, free, needed } };
  },
  restore: async (world) => {
    await world.disks.free(world.installation.at(AGENT));
    const state = await rollOut(world.installation, "freed-agent", "shop@1.1.0", world.signal);
    assert.equal(state, RolloutState.SUCCEEDED, "with space again it is installed");
  },
};

const center = (world: World): string => world.installation.at("center");

/** A command that the center's full disk stands in the way of; with space again it goes through. */
function fullCenter(row: BadCommand): BadInput {
  return {
    ...command(row),
    fillsDisk: true,
    restore: async (world, folder) => {
      await world.disks.free(center(world));
      const { status, stderr } = await world.muster(row.words.split(" "), { folder });
      assert.equal(status, 0, `with space again: ${stderr}`);
    },
  };
}

export const DISKS: Area = {
  alone: true,
  title: "Full disks",
  intro: "The data folder's disk is full. Nothing ends; with space again, the same goes through.",
  cases: [
    fullCenter({
      id: "full-center",
      title: "At the center, for its database",
      words: "device import devices.csv",
      where: "of 1,000 devices with 30 labels each",
      arrange: async (world, folder) => {
        const rows = Array.from(
          { length: BULK_ROWS },
          (_, index) => `bulk-${index},eu,${BULK_LABELS.join(";")}\n`,
        );
        await writeFile(join(folder, "devices.csv"), `id,region,labels\n${rows.join("")}`);
        await world.disks.fill(center(world));
      },
    }),
    fullCenter({
      id: "full-center-artifact",
      title: "At the center, for an artifact",
      words: "apply -f shop-1.2.0.muster",
      captures: { artifact: /artifact ([0-9a-f]{64})/ },
      arrange: async (world, folder) => {
        await makeBundle(world, folder);
        await world.disks.fill(center(world));
      },
    }),
    GATEWAY_FULL,
    AGENT_FULL,
  ],
};
