// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { startFixtureAgent } from "./fixture-agent.ts";
import type { FixtureAgent } from "./fixture-agent.ts";
import { offerOf, publishApp } from "./fixture-release.ts";

let folder: string;
let agent: FixtureAgent;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "muster-agent-"));
});
afterEach(async () => {
  await agent.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("an install", () => {
  it("ends with the release running, measured and reported phase by phase", async () => {
    const blobFolder = join(folder, "blobs");
    const release = await publishApp({ blobFolder, version: "1.0.0" });
    agent = await startFixtureAgent({ dataDirectory: join(folder, "data"), blobFolder });
    await agent.offer(offerOf(release, 5));
    const slot = join(folder, "data", "slots", "app");
    assert.equal(await readlink(join(slot, "current")), "a");
    assert.equal(
      await readFile(join(slot, "current", "etc", "app.conf"), "utf8"),
      "version=1.0.0\n",
    );
    assert.deepEqual(agent.evidence.statuses(), {
      app: { digest: release.digest, version: "1.0.0", generation: 5, health: "healthy" },
    });
    assert.deepEqual(
      agent.outbox.pending().map((report) => [report.sequence, report.phase]),
      [
        [1, "accepted"],
        [2, "downloading"],
        [3, "downloaded"],
        [4, "installing"],
        [5, "installed"],
      ],
    );
  });
});
