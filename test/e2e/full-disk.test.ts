// SPDX-License-Identifier: Apache-2.0
/**
 * A center whose database is full in the midst of a rollout, every role a process: it lives and
 * answers, it says one sentence to whoever wants to change something, and with room again the
 * rollout ends as if nothing had been.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import { LocalInstallation } from "../../cli/demo/local-installation.ts";
import { RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { openOperator } from "../helpers/operator.ts";
import { testShell } from "../helpers/shell.ts";
import { tempDir } from "../helpers/temp-dir.ts";
import { until } from "../helpers/until.ts";

const TIMEOUT_MS = 120_000;
const DEVICE = { id: "till-1", inventory: {} };

describe("a full database in the midst of a rollout", { timeout: TIMEOUT_MS * 2 }, () => {
  it("stops changes and nothing else, and loses nothing", async (t) => {
    await using folder = await tempDir("full-disk");
    const shell = testShell(t.signal);
    await using installation = new LocalInstallation({
      folder: folder.path,
      shell,
      heartbeat: "500ms",
    });
    await installation.startCenter({}, { maxStore: "2MiB" });
    await installation.startGateway("gw-1");
    await installation.startAgent(DEVICE);
    const { session, targetsKeyFile } = installation;
    const operator = openOperator({ session, keyFile: targetsKeyFile, folder: folder.path });
    const { client } = session;
    // Slow to be healthy: the rollout is under way when the database fills.
    const files = { VERSION: "1.0.0\n", "bin/check": "#!/bin/sh\nsleep 2\n" };
    await operator.publishRelease({ version: "1.0.0", files, healthCheck: ["./bin/check"] });
    await operator.startRollout("first", { release: "app@1.0.0", soakMs: 1_000n });
    const fill = async (): Promise<string> => {
      for (let batch = 0; ; batch += 1) {
        const devices = Array.from({ length: 200 }, (_, index) => {
          return { id: `filler-${batch}-${index}`, region: "elsewhere" };
        });
        const failure = await client.registerDevices({ devices }).catch((error: unknown) => error);
        if (isMusterError(failure)) return `${failure.code}: ${failure.message}`;
      }
    };
    assert.equal(
      await fill(),
      "no_space: cannot commit to the store: the disk is full; nothing was changed",
    );
    const { rollout } = await client.getRollout({ name: "first" });
    assert.equal(rollout?.state, RolloutState.RUNNING, "it answers");
    const { availableBytes } = await client.getStorage({});
    assert.ok(availableBytes < 1_048_576n, `${availableBytes} bytes are left`);
    // The device ends its install; what it reports cannot take effect in a full store.
    const place = installation.at("till-1/slots/app/current/VERSION");
    const isInstalled = async (): Promise<boolean> =>
      (await readFile(place, "utf8").catch(() => "")) === "1.0.0\n";
    const bound = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    await until("the device has installed", isInstalled, bound);
    assert.equal(await fill().then((text) => text.split(":")[0]), "no_space", "it lives");

    await installation.center.stop();
    await installation.startCenter({}, { maxStore: "64MiB" });
    const ended = await openOperator({
      session: installation.session,
      keyFile: targetsKeyFile,
      folder: folder.path,
    }).rolloutEnd("first");
    assert.equal(ended.state, RolloutState.SUCCEEDED, ended.stateReason);
    assert.deepEqual(ended.progress?.byState, { succeeded: 1 });
  });
});
