// SPDX-License-Identifier: Apache-2.0
// Following a rollout: until it ends, across a restart of the center, and until Ctrl-C.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { RolloutState, type Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { sampleRollout, startFakeCenter, type FakeCenter } from "./fake-center.ts";
import { ended, runMuster, startMuster } from "./run-muster.ts";

/** The rollout after `succeeded` of its ten devices have. */
function after(
  succeeded: number,
  state: RolloutState = RolloutState.RUNNING,
  reason = "under way",
): Rollout {
  const rollout = sampleRollout({ state, stateReason: reason });
  assert(rollout.progress !== undefined);
  rollout.progress.byState = { succeeded, pending: 10 - succeeded };
  rollout.progress.waves = [];
  return rollout;
}

async function watching(...rollouts: readonly Rollout[]): Promise<FakeCenter> {
  return startFakeCenter({
    watchRollout: async function* () {
      for (const rollout of rollouts) yield { rollout };
    },
    startRollout: () => ({ rollout: after(0) }),
  });
}

describe("muster rollout watch", () => {
  test("prints plain lines where there is no terminal, then the outcome; exits 0", async () => {
    await using folder = await tempDir("cli");
    const last = after(10, RolloutState.SUCCEEDED, "all waves are proven");
    await using center = await watching(after(0), after(5), last);
    const options = { cwd: folder.path, environment: center.environment };
    const result = await runMuster(["rollout", "watch", "shop-1.4"], options);
    assert.equal(result.status, 0);
    assert.match(result.stderr, /^rollout shop-1\.4 is running: under way$/m);
    assert.match(result.stderr, /^rollout: 10\/10 \(100 %\), .*10 succeeded$/m);
    assert.match(result.stdout, /^rollout shop-1\.4 has succeeded: all waves are proven\n/);
    assert.match(result.stdout, /^devices {4}10$/m);
  });

  test("says anew what is going on when that changes, and not when its counts do", async () => {
    await using folder = await tempDir("cli");
    const reasons = ["2 devices not reached yet", "2 attempts under way", "1 attempt under way"];
    const running = [...reasons, ...reasons].map((reason, at) =>
      after(at, RolloutState.RUNNING, reason),
    );
    const paused = after(6, RolloutState.PAUSED, "3 failures");
    const last = after(10, RolloutState.SUCCEEDED, "every wave passed its gate");
    const again = after(7, RolloutState.RUNNING, "1 attempt under way");
    await using center = await watching(...running, paused, again, last);
    const options = { cwd: folder.path, environment: center.environment };
    const { stderr } = await runMuster(["rollout", "watch", "shop-1.4"], options);
    assert.deepEqual(
      stderr.split("\n").filter((line) => line.startsWith("rollout shop-1.4 ")),
      [
        "rollout shop-1.4 is running: 2 devices not reached yet",
        "rollout shop-1.4 is running: 2 attempts under way",
        "rollout shop-1.4 is paused: 3 failures",
        "rollout shop-1.4 is running: 1 attempt under way",
        "rollout shop-1.4 has succeeded: every wave passed its gate",
      ],
    );
  });

  test("exits 1 when the rollout ends in any other way", async () => {
    await using folder = await tempDir("cli");
    await using center = await watching(after(5, RolloutState.ROLLED_BACK, "3 failures"));
    const options = { cwd: folder.path, environment: center.environment };
    const { status, stdout } = await runMuster(["rollout", "watch", "shop-1.4"], options);
    assert.equal(status, 1);
    assert.match(stdout, /^rollout shop-1\.4 is rolled back: 3 failures\n/);
  });

  test("prints one line of JSON a change", async () => {
    await using folder = await tempDir("cli");
    await using center = await watching(after(5), after(10, RolloutState.SUCCEEDED));
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["rollout", "start", "shop-1.4", "--wait", "-o", "json"];
    const { status, stdout } = await runMuster(words, options);
    assert.equal(status, 0);
    const lines = stdout.trimEnd().split("\n");
    const states = lines.map((line) => (JSON.parse(line) as { state: string }).state);
    assert.deepEqual(states, ["running", "succeeded"]);
  });

  test("waits for a center that goes away, and goes on with the one that comes back", async () => {
    await using folder = await tempDir("cli");
    const first = await startFakeCenter({
      watchRollout: async function* (_request, context) {
        yield { rollout: after(5) };
        await once(context.signal, "abort");
      },
    });
    const options = { cwd: folder.path, environment: first.environment };
    const child = startMuster(["rollout", "watch", "shop-1.4"], options);
    const result = ended(child);
    await said(child, /5\/10/);
    await first[Symbol.asyncDispose]();
    await said(child, /waiting for it to come back/);
    await using _second = await startFakeCenter(
      {
        watchRollout: async function* () {
          yield { rollout: after(10, RolloutState.SUCCEEDED) };
        },
      },
      first.port,
    );
    assert.equal((await result).status, 0);
  });

  test("ends with 130 after Ctrl-C, without a word", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      watchRollout: async function* (_request, context) {
        yield { rollout: after(5) };
        await once(context.signal, "abort");
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const child = startMuster(["rollout", "watch", "shop-1.4"], options);
    const result = ended(child);
    await said(child, /5\/10/);
    child.kill("SIGINT");
    const { status, stdout, stderr } = await result;
    assert.equal(status, 130);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /^\s+at |^muster:/m);
  });
});

describe("a reader that has seen enough", () => {
  test("is no failure", async () => {
    await using folder = await tempDir("cli");
    const rollouts = Array.from({ length: 1_000 }, () => sampleRollout());
    await using center = await startFakeCenter({ listRollouts: () => ({ rollouts }) });
    const options = { cwd: folder.path, environment: center.environment };
    const child = startMuster(["get", "rollouts", "-o", "json", "--limit", "1000"], options);
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { status, stderr } = await ended(child);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  });
});

/** Resolves once the child's standard error has the pattern; the child's time-out bounds it. */
async function said(child: ReturnType<typeof startMuster>, pattern: RegExp): Promise<void> {
  let text = "";
  for (;;) {
    assert(child.stderr !== null);
    const [chunk] = (await once(child.stderr, "data")) as [string];
    text += chunk;
    if (pattern.test(text)) return;
  }
}
