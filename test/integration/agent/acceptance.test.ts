// SPDX-License-Identifier: Apache-2.0
/** What happens to an offer while its acceptance is being written down. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { TestContext } from "node:test";
import type { Files } from "../../../agent/files/files.ts";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { startFixtureAgent } from "./fixture-agent.ts";
import type { FixtureAgent } from "./fixture-agent.ts";
import { offerOf, publishApp } from "./fixture-release.ts";
import type { FixtureRelease } from "./fixture-release.ts";

const TIMEOUT_MS = 30_000;
const EXPIRES_AT_MS = 2_000;

/** An agent whose acceptance waits in the middle of its first write. */
interface Scene {
  readonly agent: FixtureAgent;
  readonly release: FixtureRelease;
  readonly setTime: (timeMs: number) => void;
  /** Resolves when the agent writes that it accepts. */
  readonly reached: Promise<void>;
  /** Ends that write and those after it; `isSound`: with success. */
  readonly goOn: (isSound: boolean) => void;
}

async function setScene(context: TestContext): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "muster-agent-"));
  const blobFolder = join(folder, "blobs");
  const release = await publishApp({ blobFolder, version: "1.0.0" });
  const reached = Promise.withResolvers<void>();
  const goesOn = Promise.withResolvers<boolean>();
  let nowMs = 1_000;
  const files: Files = Object.create(systemFiles, {
    writeAtomically: {
      value: async (write: Parameters<Files["writeAtomically"]>[0]) => {
        // The first thing that an acceptance writes.
        if (write.point === "agent.slot-record") {
          reached.resolve();
          if (!(await goesOn.promise)) throw new Error("the disk does not synchronise");
        }
        await systemFiles.writeAtomically(write);
      },
    },
  }) as Files;
  const dataDirectory = join(folder, "data");
  const workingTimeMs = (): number => nowMs;
  const agent = await startFixtureAgent({ dataDirectory, blobFolder, files, workingTimeMs });
  context.after(async () => {
    await agent.stop();
    await rm(folder, { recursive: true });
  });
  return {
    agent,
    release,
    setTime: (timeMs) => (nowMs = timeMs),
    reached: reached.promise,
    goOn: goesOn.resolve,
  };
}

function answerTo(agent: FixtureAgent, generation: number): string | undefined {
  return agent.outbox.pending().findLast((report) => report.generation === generation)?.reason;
}

describe("an acceptance", { timeout: TIMEOUT_MS }, () => {
  for (const isSound of [true, false]) {
    const disk = isSound ? "a slow disk" : "a disk that fails";
    it(`on ${disk} does not outlive a withdrawal`, async (t) => {
      const { agent, release, reached, goOn } = await setScene(t);
      await agent.send(offerOf(release, 3));
      await reached;
      const withdrawn = agent.until("withdrawn");
      const withdraw = Buffer.from(JSON.stringify({ withdraw: { rollout: 7, generation: 3 } }));
      const acknowledged = agent.agent.receive("offer", withdraw);
      goOn(isSound);
      await Promise.all([withdrawn, acknowledged]);
      assert.equal(answerTo(agent, 3), "withdrawn");
      assert.equal(agent.journal.slot("app").attempt, null);
    });

    it(`on ${disk} does not come after the offer has expired`, async (t) => {
      const { agent, release, reached, goOn, setTime } = await setScene(t);
      await agent.send({ ...offerOf(release, 4), expiresAtMs: EXPIRES_AT_MS });
      await reached;
      const expired = agent.until("expired");
      setTime(EXPIRES_AT_MS + 1);
      goOn(isSound);
      await expired;
      assert.equal(answerTo(agent, 4), "expired");
      assert.equal(agent.journal.slot("app").attempt, null);
    });
  }
});
