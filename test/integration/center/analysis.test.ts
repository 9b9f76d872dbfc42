// SPDX-License-Identifier: Apache-2.0
/** The gate asks a real HTTP server; the loop and its time are stepped, the network is not. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { createAnalysisClient } from "../../../center/rollouts/analysis-client.ts";
import type { AnalysisRequest } from "../../../center/rollouts/analysis-desk.ts";
import { DEFAULT_SPEC } from "../../../domain/rollout.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const TIMEOUT_MS = 300;

/** A server that notes what it was asked. */
class Analyst implements AsyncDisposable {
  readonly asked: AnalysisRequest[] = [];
  private readonly server: Server;

  private constructor(answer: RequestListener) {
    this.server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        this.asked.push(JSON.parse(Buffer.concat(parts).toString()) as AnalysisRequest);
        answer(request, response);
      });
    });
  }

  static async open(answer: RequestListener): Promise<Analyst> {
    const analyst = new Analyst(answer);
    analyst.server.listen(0, "127.0.0.1");
    await once(analyst.server, "listening");
    return analyst;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/muster`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

/** One device is done, the other waits for the answer that comes after this. */
async function asking(url: string, retries = 0): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 2 });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  const analysis = { url, timeoutMs: TIMEOUT_MS, retries };
  const gate = { ...DEFAULT_SPEC.gate, analysis };
  await bench.plan("up", { waves: [{ count: 1 }], gate });
  const answer = bench.command("up", "start");
  await bench.cycle();
  await answer;
  const [first] = bench.offers;
  assert(first !== undefined);
  const phases = ["accepted", "downloading", "downloaded", "installing", "installed"] as const;
  await bench.report(first, phases);
  bench.runs(bench.ordinals.indexOf(first.ordinal), digestOf("2"));
  return bench;
}

/** Until an answer of the real client has come in, and a cycle has taken it. */
async function answered(bench: CenterBench): Promise<void> {
  const client = createAnalysisClient({ fetch, clock: systemClock });
  const come = new Promise<void>((resolve) => {
    bench.ask = async (...question) => {
      const answer = await client(...question);
      setImmediate(resolve);
      return answer;
    };
  });
  await bench.cycles(4);
  assert.equal((await bench.record("up")).progress.analysis?.state, "asked");
  await come;
  await bench.cycles(1);
}

const say =
  (body: string, status = 200): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end(body);

describe("an analysis from outside", () => {
  test("is told the counts, and its success opens the wave", async () => {
    await using analyst = await Analyst.open(say('{"verdict":"success"}'));
    await using bench = await asking(analyst.url);
    await answered(bench);
    assert.deepEqual(bench.states(1), ["succeeded", "offered"]);
    const { planDigest, ...asked } = analyst.asked[0] as AnalysisRequest;
    assert.match(planDigest, /^[0-9a-f]{64}$/);
    assert.deepEqual(asked, {
      tenant: "default",
      rollout: "up",
      wave: 2,
      waves: 2,
      states: { pending: 1, succeeded: 1 },
      failures: 0,
      accepted: 1,
      unproven: 0,
    });
    await bench.cycles(3);
    assert.equal(analyst.asked.length, 1);
  });

  test("that says failure stops the rollout, and it goes back", async () => {
    const body = JSON.stringify({ verdict: "failure", reason: "errors\n doubled\u001b[2J" });
    await using analyst = await Analyst.open(say(body));
    await using bench = await asking(analyst.url);
    await answered(bench);
    const { state, stateReason } = (await bench.record("up")).progress;
    assert.equal(state, "rolling-back");
    assert.equal(stateReason, `analysis at ${analyst.url} says failure: errors doubled [2J`);
  });

  const UNCLEAR: readonly [string, RequestListener, RegExp][] = [
    ["that is not sure", say('{"verdict":"inconclusive","reason":"no data"}'), /: no data; a per/],
    ["that is slow", () => {}, /no answer after 2 attempts: it took longer than 300 ms/],
    ["that sends too much", say("x".repeat(70_000)), /it sent more than 64 KiB/],
    ["that sends garbage", say("<html>"), /what it sent is not/],
    ["that has another word", say('{"verdict":"fine"}'), /what it sent is not/],
    ["that fails", say('{"verdict":"success"}', 500), /it answered with status 500/],
    [
      "that redirects",
      (_request, response) => void response.writeHead(307, { location: "/muster" }).end(),
      /it redirects, which is not followed/,
    ],
  ];
  for (const [what, answer, why] of UNCLEAR) {
    test(`${what} pauses for a person, whose resume opens the wave`, async () => {
      await using analyst = await Analyst.open(answer);
      await using bench = await asking(analyst.url, 1);
      await answered(bench);
      const { progress } = await bench.record("up");
      assert.equal(progress.state, "paused");
      assert.match(progress.stateReason, why);
      assert.equal(analyst.asked.length, what === "that is not sure" ? 1 : 2);
      const resumed = bench.command("up", "resume");
      await bench.cycle();
      await resumed;
      assert.deepEqual(bench.states(1), ["succeeded", "offered"]);
    });
  }

  test("is asked again by a center that starts anew, and called off by a stop", async () => {
    await using bench = await asking("http://127.0.0.1:9/");
    const signals: AbortSignal[] = [];
    bench.ask = (_policy, _request, signal) => {
      signals.push(signal);
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
      );
    };
    await bench.cycles(4);
    assert.equal(signals.length, 1);
    await bench.crashAtPoint("center.loop.acted");
    await bench.cycles(2);
    assert.equal(signals.length, 2);
    const stopped = bench.command("up", "stop");
    await bench.cycle();
    await stopped;
    assert.equal(signals[1]?.aborted, true);
  });
});
