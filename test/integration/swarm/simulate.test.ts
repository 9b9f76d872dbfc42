// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import type { SwarmStats } from "../../../simulator/swarm/swarm.ts";
import { ended, runMuster, startMuster, type MusterResult } from "../cli/run-muster.ts";
import { startSwarmFixture } from "./swarm-fixture.ts";
import type { SwarmFixture } from "./swarm-fixture.ts";

let fixture: SwarmFixture;

function where(): { cwd: string; environment: { [name: string]: string } } {
  const { folder, apiUrl, operatorToken } = fixture;
  const environment = { MUSTER_SERVER: apiUrl, MUSTER_TOKEN: operatorToken };
  return { cwd: folder.path, environment };
}

function simulate(...words: readonly string[]): Promise<MusterResult> {
  return runMuster(["simulate", "--data", "sim", "--heartbeat", "500ms", ...words], where());
}

function statsOf(result: MusterResult): SwarmStats {
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout) as SwarmStats;
}

describe("muster simulate", { timeout: 120_000 }, () => {
  before(async () => {
    fixture = await startSwarmFixture();
  });
  after(async () => {
    await fixture?.[Symbol.asyncDispose]();
  });

  it("registers, enrols and connects devices by itself", async () => {
    const words = ["--devices", "12", "--labels", "kind=pretended", "--duration", "2s"];
    const stats = statsOf(await simulate(...words, "-o", "json"));
    const { devices, enrolled, connected, failedConnections } = stats;
    assert.deepEqual(
      { devices, enrolled, connected, failedConnections },
      {
        devices: 12,
        enrolled: 12,
        connected: 12,
        failedConnections: 0,
      },
    );
    assert.ok(stats.heartbeats > 0);
    const selector = "label.kind = pretended";
    const listed = await fixture.operator.client.listDevices({ selector });
    assert.equal(listed.devices.length, 12);
    assert.equal(listed.devices[0]?.inventory["simulated"], "true");
  });

  it("divides devices over processes, with those of an earlier run", async () => {
    const words = ["--devices", "20", "--processes", "3", "--duration", "2s", "-o", "json"];
    const { devices, connected, connections } = statsOf(await simulate(...words));
    assert.deepEqual(
      { devices, connected, connections },
      {
        devices: 20,
        connected: 20,
        connections: 20,
      },
    );
    const names = await readdir(fixture.folder.join("sim"));
    assert.deepEqual(names.filter((name) => name.startsWith("operations")).toSorted(), [
      "operations-0.jsonl",
      "operations-1.jsonl",
      "operations-2.jsonl",
    ]);
  });

  it("ends cleanly on Ctrl-C, with what it has seen", async () => {
    const words = ["simulate", "--data", "sim", "--devices", "20", "--heartbeat", "500ms"];
    const child = startMuster(words, where());
    const result = ended(child);
    let said = "";
    while (!said.includes("connected: 20/20")) {
      const [text] = await once(child.stderr!, "data");
      said += String(text);
    }
    child.kill("SIGINT");
    const { status, stdout } = await result;
    assert.equal(status, 0);
    assert.match(stdout, /^20 devices: 0 accepted, 0 installed$/m);
    assert.equal(
      fixture.gateways.reduce((sum, gateway) => sum + gateway.sessionCount(), 0),
      0,
    );
  });

  for (const [words, message] of [
    [["--behaviours", "godo=1"], /"godo=1" is not behaviour=share/],
    [["--devices", "3", "--processes", "4"], /3 devices need 1 to 3 processes, not 4/],
    [["--prefix", "a b"], /device id "a b000100" is not/],
  ] as const) {
    it(`refuses ${words.join(" ")} before it asks the center for anything`, async () => {
      const { status, stderr } = await simulate(...words);
      assert.equal(status, 2);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /registered/);
    });
  }
});
