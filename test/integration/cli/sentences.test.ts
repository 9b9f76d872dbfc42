// SPDX-License-Identifier: Apache-2.0
// What commands ask for and say in the corners: the real program against a fake center.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  RolloutState,
  type ApplyRolloutRequest,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { refusal, sampleRollout, startFakeCenter } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

const UNKNOWN_FIELDS = Array.from({ length: 30 }, (_, index) => `  wrong${index}: 1\n`).join("");
const ROLLOUT_YAML = `apiVersion: muster/v1
kind: Rollout
metadata: { name: shop-1.4 }
spec:
  release: shop@1.4.0
  selector: region = eu
${UNKNOWN_FIELDS}`;

describe("muster run", () => {
  test("refuses a time limit of nothing, which the API would read as the default", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({});
    const words = ["run", "-l", "", "--timeout", "0s", "--", "uptime"];
    const result = await runMuster(words, { cwd: folder.path, environment: center.environment });
    assert.deepEqual(result, {
      status: 2,
      stdout: "",
      stderr: "muster: --timeout must be longer than 0s\n",
    });
  });

  for (const [name, text] of [
    ["without a byte", ""],
    ["of blank lines", " \n\n"],
  ] as const) {
    test(`refuses a script ${name}, and names the file`, async () => {
      await using folder = await tempDir("cli");
      await using center = await startFakeCenter({});
      await writeFile(folder.join("why.sh"), text);
      const options = { cwd: folder.path, environment: center.environment };
      assert.deepEqual(await runMuster(["run", "-l", "", "--script", "why.sh"], options), {
        status: 2,
        stdout: "",
        stderr: "muster: why.sh: the script is empty: there is nothing to run\n",
      });
    });
  }

  test("refuses a command without a program", async () => {
    await using folder = await tempDir("cli");
    const result = await runMuster(["run", "-l", "", "--", ""], { cwd: folder.path });
    assert.deepEqual(result, {
      status: 2,
      stdout: "",
      stderr: "muster: the command behind -- names no program\n",
    });
  });

  test("names a field of the center's refusal once", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      applyRollout: () => {
        const problem = "is longer than a day";
        const field = "spec.command.timeout";
        throw refusal({ code: "invalid_argument", message: `${field} ${problem}`, field });
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stderr } = await runMuster(["run", "-l", "", "--", "uptime"], options);
    assert.equal(stderr, "muster: spec.command.timeout: is longer than a day\n");
  });

  test("has its rollout created with its plan, so that a refused plan leaves nothing", async () => {
    await using folder = await tempDir("cli");
    const asked: ApplyRolloutRequest[] = [];
    await using center = await startFakeCenter({
      applyRollout: (request) => {
        asked.push(request);
        throw new ConnectError("nobody", Code.FailedPrecondition);
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { status } = await runMuster(["run", "-l", "id = x", "--", "uptime"], options);
    assert.deepEqual([status, asked[0]?.plan], [1, true]);
  });

  test("runs on as many at once as it is told to, in the waves that it is told", async () => {
    await using folder = await tempDir("cli");
    const asked: ApplyRolloutRequest[] = [];
    await using center = await startFakeCenter({
      applyRollout: (request) => {
        asked.push(request);
        throw new ConnectError("enough", Code.FailedPrecondition);
      },
    });
    const words = ["run", "-l", "", "--wave", "rest", "--max-in-flight", "100%", "--", "uptime"];
    await runMuster(words, { cwd: folder.path, environment: center.environment });
    const { waves, maxInFlight, blastRadius } = asked[0]?.spec ?? {};
    const all = { case: "percent", value: 100 };
    assert.deepEqual([waves?.map(({ kind }) => kind), maxInFlight?.kind], [[all], all]);
    assert.deepEqual(blastRadius?.kind, all, "or it would be 10 %, and 10 % at once");
  });
});

describe("muster apply", () => {
  test("names what is no text, and says how many errors it does not show", async () => {
    await using folder = await tempDir("cli");
    await writeFile(folder.join("a.yaml"), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1]));
    await writeFile(folder.join("b.yaml"), ROLLOUT_YAML);
    const result = await runMuster(["apply", "-f", ".", "--dry-run"], { cwd: folder.path });
    assert.equal(result.status, 2);
    const lines = result.stderr.trimEnd().split("\n");
    assert.equal(lines[0], "muster: a.yaml: reading the document failed: it is not text in UTF-8");
    assert.equal(lines.at(-1), "muster: 11 more errors are not shown");
  });
});

describe("what is said", () => {
  test("plan of one that has ended does not say how to start it", async () => {
    await using folder = await tempDir("cli");
    const rollout = sampleRollout({ state: RolloutState.SUCCEEDED });
    await using center = await startFakeCenter({ planRollout: () => ({ rollout }) });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["rollout", "plan", "shop-1.4"], options);
    assert.match(stdout, /till-99\n$/);
  });

  test("rollback says that devices go back later only where it has to stop first", async () => {
    await using folder = await tempDir("cli");
    const rollout = sampleRollout({ state: RolloutState.ROLLED_BACK, stateReason: "as asked" });
    await using center = await startFakeCenter({ rollbackRollout: () => ({ rollout }) });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["rollout", "rollback", "shop-1.4"], options);
    assert.equal(stdout, "rollout shop-1.4 is rolled back: as asked\n");
  });

  test("token create says for how long the token is good", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({ createToken: () => ({ token: "secret" }) });
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["token", "create", "ci", "--role", "operator", "--out", "ci.token"];
    const { stderr } = await runMuster(words, options);
    assert.equal(stderr, "The token is in ci.token; it is good for 90d.\n");
  });
});
