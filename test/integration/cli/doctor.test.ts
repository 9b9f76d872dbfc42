// SPDX-License-Identifier: Apache-2.0
// Doctor: each check with what to do, exit status by the worst.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkClock } from "../../../cli/doctor/center-checks.ts";
import { judgeFileLimit } from "../../../cli/doctor/host-checks.ts";
import { checkRuntime } from "../../../cli/doctor/machine-checks.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { startFakeCenter } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

interface Result {
  readonly check: string;
  readonly result: string;
  readonly found: string;
  readonly advice: string;
}

describe("muster doctor", () => {
  test("finds a center that answers and a token that it takes", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({ getStatus: () => ({ version: "0.1.0" }) });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["doctor", "-o", "json", "--data", "gw/data"], options);
    const results = JSON.parse(stdout) as Result[];
    const verdicts = Object.fromEntries(results.map(({ check, result }) => [check, result]));
    assert.equal(verdicts["runtime"], "ok");
    assert.equal(verdicts["center"], "ok");
    assert.equal(verdicts["token"], "ok");
    assert.equal(verdicts["clock"], "ok");
    assert("ports" in verdicts && "open files" in verdicts && "data folder" in verdicts);
  });

  test("tells when the center's disk is full, as a sentence and as a table", async () => {
    await using folder = await tempDir("cli");
    const MIB = 2n ** 20n;
    const sampledAtMs = BigInt(Date.now());
    const answer = {
      sampledAtMs,
      usedBytes: 3_000n * MIB,
      availableBytes: 2_000n * MIB,
      bytesPerDay: 100n * MIB,
      windowMs: 604_800_000n,
      fullAtMs: sampledAtMs + 20n * 86_400_000n,
      retentionBytes: 500n * MIB,
      retentionByMs: sampledAtMs + 86_400_000n,
      parts: [{ name: "page attempt", bytes: 2_500n * MIB, bytesPerDay: 90n * MIB }],
    };
    await using center = await startFakeCenter({
      getStatus: () => ({ version: "0.1.0" }),
      getStorage: () => answer,
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["doctor", "-o", "json"], options);
    const results = JSON.parse(stdout) as (Result & { storage?: { [name: string]: unknown } })[];
    const disk = results.find(({ check }) => check === "center's disk");
    assert.equal(disk?.result, "warn", "it is full in less than thirty days");
    assert.match(
      disk.found,
      /^2\.9 GiB used, 2\.0 GiB free; grows by 100 MiB a day, measured over 7d: full in /,
    );
    assert.match(disk.found, /; retention frees 500 MiB until /);
    assert.equal(disk.storage?.["bytesPerDay"], Number(100n * MIB));
    const table = await runMuster(["doctor"], options);
    assert.match(table.stdout, /\nTAKES ROOM IN THE CENTER +SIZE +GROWS A DAY\n/);
    assert.match(table.stdout, /\npage attempt +2\.4 GiB +90\.0 MiB\n/);
  });

  test("fails with advice where nothing answers, and still makes its other checks", async () => {
    await using folder = await tempDir("cli");
    const environment = { MUSTER_SERVER: "http://127.0.0.1:9" };
    const words = ["doctor", "-o", "json"];
    const { status, stdout } = await runMuster(words, { cwd: folder.path, environment });
    assert.equal(status, 1);
    const results = JSON.parse(stdout) as Result[];
    const center = results.find(({ check }) => check === "center");
    assert.equal(center?.result, "fail");
    assert.match(center.advice, /start it with `muster center`/);
    assert(results.some(({ check }) => check === "ports"));
  });

  test("tells a center that answers from a token that it refuses", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({});
    const environment = { MUSTER_SERVER: center.url };
    const words = ["doctor", "-o", "json"];
    const { stdout } = await runMuster(words, { cwd: folder.path, environment });
    const results = JSON.parse(stdout) as Result[];
    assert.equal(results.find(({ check }) => check === "center")?.result, "ok");
    const token = results.find(({ check }) => check === "token");
    assert.equal(token?.result, "fail");
    assert.match(token.advice, /^log in: muster login/);
  });
});

describe("doctor's verdict", () => {
  test("on a clock goes by how far it is from the center's", () => {
    const date = "Thu, 01 Jan 2026 00:00:00 GMT";
    const verdict = (nowMs: number): string | undefined =>
      checkClock(date, nowMs, nowMs)[0]?.result;
    const theirsMs = Date.parse(date);
    assert.deepEqual(
      [0, 6_000, -6_000, 120_000, 10 * 365 * 86_400_000].map((off) => verdict(theirsMs + off)),
      ["ok", "warn", "warn", "fail", "fail"],
    );
    assert.deepEqual(checkClock(null, 0, 0), []);
  });

  test("on the runtime and on open files goes by their limits", () => {
    assert.deepEqual(
      ["20.1.0", "24.0.0", "26.10.0"].map((version) => checkRuntime(version).result),
      ["fail", "warn", "ok"],
    );
    const limits = (soft: string): string => `Max open files            ${soft}   4096   files\n`;
    assert.deepEqual(
      ["256", "1024", "20000", "1000000", "unlimited"].map((n) => judgeFileLimit(limits(n)).result),
      ["fail", "warn", "warn", "ok", "ok"],
    );
  });
});
