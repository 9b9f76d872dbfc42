// SPDX-License-Identifier: Apache-2.0
/**
 * A whole installation whose center keeps its Store on PostgreSQL, every role a process: in the
 * midst of a rollout the server is killed with -9 and started again. The center lives, goes on by
 * itself, and every device is accounted for.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { LocalInstallation } from "../../../cli/demo/local-installation.ts";
import { RolloutState } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { startPostgres } from "../../../scripts/servers/postgres.ts";
import { openOperator } from "../../helpers/operator.ts";
import { testShell } from "../../helpers/shell.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { until } from "../../helpers/until.ts";
import { administer, makeDatabase } from "./postgres-under-test.ts";

const TIMEOUT_MS = 120_000;
const DEVICES = ["till-1", "till-2", "till-3", "till-4"];

describe("PostgreSQL killed in the midst of a rollout", { timeout: TIMEOUT_MS * 2 }, () => {
  it("stops nothing for good: the center goes on, and no attempt is lost", async (t) => {
    await using server = await startPostgres();
    const database = await makeDatabase(server);
    await using folder = await tempDir("postgres");
    await using installation = new LocalInstallation({
      folder: folder.path,
      shell: testShell(t.signal),
      heartbeat: "500ms",
      centerFlags: { store: server.url(database) },
    });
    await installation.startCenter();
    await installation.startGateway("gw-1");
    for (const id of DEVICES) await installation.startAgent({ id, inventory: {} });
    const { session, targetsKeyFile } = installation;
    const operator = openOperator({ session, keyFile: targetsKeyFile, folder: folder.path });
    // Slow to be healthy, and in waves: the rollout is under way when the server goes.
    const files = { VERSION: "1.0.0\n", "bin/check": "#!/bin/sh\nsleep 1\n" };
    await operator.publishRelease({ version: "1.0.0", files, healthCheck: ["./bin/check"] });
    await operator.startRollout("first", {
      release: "app@1.0.0",
      soakMs: 1_000n,
      waves: [{ kind: { case: "count", value: 1 } }],
    });
    const isUnderWay = async (): Promise<boolean> => {
      const { rollout } = await session.client.getRollout({ name: "first" });
      return Object.keys(rollout?.progress?.byState ?? {}).some((state) => state !== "pending");
    };
    const bound = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    await until("the rollout is under way", isUnderWay, bound);

    await server.kill();
    // Away for longer than a call is patient, so that the rollout loop fails and reads again.
    const log = async (): Promise<string> =>
      await readFile(installation.at("center.log"), "utf8").catch(() => "");
    const hasFailed = async (): Promise<boolean> =>
      /could not be stored|could not read the Store/.test(await log());
    await until("the rollout loop could not store a cycle", hasFailed, bound);
    await server.start();

    const isBack = (): Promise<boolean> => isUnderWay().catch(() => false);
    await until("the center answers again", isBack, bound);
    const ended = await operator.rolloutEnd("first");
    assert.equal(ended.state, RolloutState.SUCCEEDED, ended.stateReason);
    assert.deepEqual(ended.progress?.byState, { succeeded: DEVICES.length });
    assert.match(await log(), /the store's server answers again/);
    const text = "SELECT count(*)::integer AS count FROM muster.device";
    assert.deepEqual(await administer(server, database, text), [{ count: DEVICES.length }]);
  });
});
