// SPDX-License-Identifier: Apache-2.0
/**
 * `muster run` on a thousand pretended devices and one real agent, through real processes: what
 * each of them printed and how it ended comes back, whatever it is.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import { startSwarm, type RunningSwarm } from "../../simulator/swarm/swarm.ts";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { until } from "../helpers/until.ts";

const DEVICE_COUNT = 1_000;
const HANGING = 5;
const FAILING = 10;
const PRINTED = 3_000;
const MUSTER = `${import.meta.dirname}/../../bin/muster.js`;
const GIGABYTE = 1_073_741_824;
const MIB = 1_048_576;

interface Answer {
  readonly device: string;
  readonly state: string;
  readonly exitCode: number | null;
  readonly outputBytes: number;
  readonly output: string;
  readonly reason: string;
}

interface Ended {
  readonly status: number;
  readonly answers: readonly Answer[];
  /** Lines on standard error, and when each came, since the start. */
  readonly lines: readonly string[];
}

const signal = new AbortController().signal;
let installation: Installation;
let swarm: RunningSwarm;

/** The program, as a person calls it. */
async function muster(...words: readonly string[]): Promise<Ended> {
  const { apiUrl, tokenFile } = installation;
  const args = [MUSTER, "run", "-o", "json", "--server", apiUrl, "--token-file", tokenFile];
  const ran = await promisify(execFile)(process.execPath, [...args, ...words], {
    maxBuffer: 256 * MIB,
  }).then(
    ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      status: error.code,
      stdout: error.stdout,
      stderr: error.stderr,
    }),
  );
  assert(ran.stdout.startsWith("["), `${ran.stdout}${ran.stderr}`);
  const answers = JSON.parse(ran.stdout) as Answer[];
  return { status: ran.status, answers, lines: ran.stderr.trimEnd().split("\n") };
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
}

describe("a command", { timeout: 240_000 }, () => {
  before(async () => {
    installation = await startInstallation({ signal }, { gateways: ["gw-1", "gw-2"] });
    const { client } = installation.operator;
    const ids = Array.from(
      { length: DEVICE_COUNT },
      (_, index) => `sim-${String(index + 1).padStart(6, "0")}`,
    );
    await client.registerDevices({ devices: ids.map((id) => ({ id, region: "local" })) });
    const { tokens } = await client.enrolDevices({ devices: ids });
    swarm = await startSwarm({
      enrolmentUrl: installation.enrolmentUrl,
      tokens,
      deviceCount: DEVICE_COUNT,
      behaviours: { good: 1 },
      seed: 1,
      dataDirectory: installation.folder.join("swarm"),
      heartbeatIntervalMs: 5_000,
      pace: { installMs: [10, 100] },
      clock: systemClock,
      random: systemRandom,
      logger: SILENT_LOGGER,
      signal,
    });
    const till = { id: "till-1", region: "shop", inventory: {}, commands: "any" as const };
    await installation.roles.startAgent(till);
    await installation.roles.startAgent({ id: "till-2", region: "shop", inventory: {} });
    const areOnline = async (): Promise<boolean> =>
      (await client.getStatus({})).onlineDevices === DEVICE_COUNT + 2;
    await until("every device is online", areOnline, { timeoutMs: 120_000, signal });
  });
  after(async () => {
    await swarm?.stop();
    await installation?.[Symbol.asyncDispose]();
  });

  it("answers from a thousand devices: exit codes, output, and five that hang", async () => {
    const pretend = [`--hang=${HANGING}`, `--fail=${FAILING}`, `--print=${PRINTED}`];
    const { status, answers, lines } = await muster(
      "-l",
      "region = local",
      "--timeout",
      "3s",
      "--wave",
      "10%",
      "--max-failures",
      "5%",
      "--max-in-flight",
      "30%",
      "--",
      "pretend",
      ...pretend,
    );
    assert.equal(status, 1, "not every device ended well");
    assert.equal(answers.length, DEVICE_COUNT);
    for (const { device, state, exitCode, output, outputBytes, reason } of answers) {
      const number = Number(device.slice("sim-".length));
      if (number <= HANGING) {
        assert.deepEqual(
          [device, state, reason, exitCode],
          [device, "timed-out", "command-timed-out", null],
        );
        continue;
      }
      const fails = number <= HANGING + FAILING;
      const expected = fails ? ["failed", "command-failed", 3] : ["succeeded", "", 0];
      assert.deepEqual([device, state, reason, exitCode], [device, ...expected]);
      assert.equal(output, `${device}\n${"x".repeat(PRINTED)}`);
      assert.equal(outputBytes, output.length);
    }
    const progress = lines.filter((line) => line.includes("/1,000 ("));
    assert(progress.length >= 3, `progress is shown while it runs: ${lines.join("\n")}`);
    assert.match(lines.at(-1) ?? "", /^rollout run-.* has succeeded/);
  });

  it("that prints a gigabyte is cut to head and tail, and costs nobody its size", async () => {
    const { roles } = installation;
    const print = `echo begin; head -c ${GIGABYTE} /dev/zero | tr '\\0' y; echo; echo end`;
    const { status, answers } = await muster(
      "-l",
      "region = shop and id = till-1",
      "--output-limit",
      "8KiB",
      "--timeout",
      "60s",
      "--",
      "sh",
      "-c",
      print,
    );
    assert.equal(status, 0);
    const [answer] = answers;
    assert(answer !== undefined);
    assert.equal(answer.exitCode, 0);
    assert.equal(answer.outputBytes, "begin\n".length + GIGABYTE + "\nend\n".length);
    assert.match(answer.output, /^begin\ny+\n… \d+ bytes left out …\ny+\nend\n$/);
    assert(Buffer.byteLength(answer.output) < 8_192 + 100);
    const agent = roles.agents.get("till-1");
    const roleProcesses = [agent, roles.center, ...roles.gateways.values()];
    for (const role of roleProcesses) {
      const bytes = await residentBytes(Number(role?.facts.pid));
      assert(bytes < 700 * MIB, `${role?.name} needed ${Math.round(bytes / MIB)} MiB at most`);
    }
  });

  it("is killed with all that it started when its time is over", async () => {
    const script = "sleep 600 & sleep 600 & echo $! started; wait";
    const { status, answers } = await muster(
      "-l",
      "id = till-1",
      "--timeout",
      "1s",
      "--",
      "sh",
      "-c",
      script,
    );
    assert.equal(status, 1);
    const [answer] = answers;
    assert.deepEqual([answer?.state, answer?.reason], ["timed-out", "command-timed-out"]);
    const pid = Number(/^(\d+) started\n$/.exec(answer?.output ?? "")?.[1]);
    assert(pid > 1, `it printed the number of its child: ${answer?.output}`);
    const isGone = (): Promise<boolean> =>
      readFile(`/proc/${pid}/stat`, "utf8").then(
        (stat) => stat.includes(") Z "),
        () => true,
      );
    await until("its child is gone", isGone, { timeoutMs: 5_000, signal });
  });

  it("is refused where the owner allows built-in ones only, and collect is one", async () => {
    const refused = await muster("-l", "id = till-2", "--", "id");
    assert.equal(refused.status, 1);
    assert.deepEqual(
      refused.answers.map(({ state, reason }) => [state, reason]),
      [["rejected", "command-forbidden"]],
    );
    const collected = await muster("-l", "id = till-2", "--built-in", "collect");
    assert.equal(collected.status, 0);
    const facts = JSON.parse(collected.answers[0]?.output ?? "") as { slots: { slot: string }[] };
    assert.deepEqual(
      facts.slots.map(({ slot }) => slot),
      ["command"],
    );
  });
});
