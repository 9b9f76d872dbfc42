// SPDX-License-Identifier: Apache-2.0
/**
 * Rollouts of a whole installation, each role a process, whose gate asks a real HTTP server before
 * its next wave: what each kind of answer does, and what a person reads and does then.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { rolloutLines } from "../../cli/views/rollouts.ts";
import { OnStop, RolloutState, type Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { Fleet, RELEASE } from "../chaos/fleet.ts";

const DEVICES = ["one", "two", "three", "four"];
const TIMEOUT_MS = 60_000;
const count = (value: number) => ({ kind: { case: "count", value } as const });
const percent = (value: number) => ({ kind: { case: "percent", value } as const });

type Say = (response: ServerResponse) => void;
const verdict =
  (word: string, reason = ""): Say =>
  (response) =>
    void response.end(JSON.stringify({ verdict: word, reason }));
const status =
  (code: number): Say =>
  (response) =>
    void response.writeHead(code).end();

/** By rollout: what is answered to its questions, in turn; to later ones success. */
const answers = new Map<string, Say[]>();
const askedWaves = new Map<string, number[]>();
const analyst = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const text = Buffer.concat(parts).toString();
    const { rollout, wave } = JSON.parse(text) as { rollout: string; wave: number };
    askedWaves.set(rollout, [...(askedWaves.get(rollout) ?? []), wave]);
    (answers.get(rollout)?.shift() ?? verdict("success"))(response);
  });
});

let fleet: Fleet;
let versionCount = 0;

before(async () => {
  analyst.listen(0, "127.0.0.1");
  await once(analyst, "listening");
  fleet = await Fleet.start({
    devices: DEVICES.map((id) => ({ id, behaviour: "good" as const, labels: {} })),
    seed: 3,
    gateways: ["gw-1"],
    pace: { installMs: [20, 40], checkMs: [10, 20] },
    signal: AbortSignal.timeout(300_000),
  });
});

after(async () => {
  await fleet[Symbol.asyncDispose]();
  analyst.closeAllConnections();
  analyst.close();
});

/** Two waves, of one device and of three; the analysis has a second, and one more try. */
async function start(name: string, says: Say[]): Promise<void> {
  answers.set(name, says);
  const version = `${++versionCount}.0.0`;
  await fleet.publish(version);
  const { port } = analyst.address() as AddressInfo;
  await fleet.startRollout(name, {
    release: `${RELEASE}@${version}`,
    waves: [count(1)],
    maxInFlight: percent(100),
    blastRadius: percent(100),
    soakMs: 100n,
    onStop: OnStop.PAUSE,
    gate: { analysis: { url: `http://127.0.0.1:${port}/`, timeoutMs: 1_000n, retries: 1 } },
  });
}

function reaches(name: string, state: RolloutState): Promise<Rollout> {
  const isThere = (rollout: Rollout): boolean => rollout.state === state;
  return fleet.lookUntil(name, `${name} is in state ${state}`, isThere, TIMEOUT_MS);
}

async function resume(name: string): Promise<void> {
  const { client, call } = fleet.installation.session;
  const mutation = fleet.installation.session.mutation("the test decides");
  await client.resumeRollout({ mutation, name }, call);
}

describe("a gate that asks an analysis outside", { timeout: 300_000 }, () => {
  test("goes on when it says success, also after a try that failed", async () => {
    await start("well", [status(500), verdict("success", "quiet")]);
    const { progress } = await reaches("well", RolloutState.SUCCEEDED);
    assert.deepEqual(askedWaves.get("well"), [2, 2, 3]);
    assert.equal(progress?.byState["succeeded"], DEVICES.length);
    assert.equal(progress.analysis?.state, "success");
  });

  const waits: readonly [string, Say[], RegExp][] = [
    ["unsure", [verdict("inconclusive", "no data")], /inconclusive: no data; for .* a person/],
    ["garbage", [(it) => void it.end("<html>"), (it) => void it.end("{}")], /what it sent is not/],
    ["late", [() => {}, () => {}], /it took longer than 1000 ms; for .* a person has to decide/],
    ["failing", [verdict("failure", "errors doubled")], /failure: errors doubled; for .* a person/],
  ];
  for (const [name, says, shown] of waits) {
    test(`waits for a person where it is ${name}, and for nobody after a resume`, async () => {
      await start(name, says);
      const paused = await reaches(name, RolloutState.PAUSED);
      const line = rolloutLines(paused).find((text) => text.startsWith("analysis ")) ?? "";
      assert.match(line, /before wave 2: /);
      assert.match(line, shown);
      assert.equal(paused.progress?.wave, 1);
      await resume(name);
      const { progress } = await reaches(name, RolloutState.SUCCEEDED);
      assert.equal(askedWaves.get(name)?.at(-1), 3, "before the end it is asked again");
      assert.equal(progress?.byState["succeeded"], DEVICES.length);
    });
  }
});
