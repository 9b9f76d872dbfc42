// SPDX-License-Identifier: Apache-2.0
// The completion scripts: bash's is asked as bash asks it, the others are read.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { tempDir } from "../../helpers/temp-dir.ts";
import { runMuster } from "./run-muster.ts";

const run = promisify(execFile);

/** What bash offers after these words, the last of which is being typed. */
const ASK = `
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_muster
printf '%s\\n' "\${COMPREPLY[@]}"
`;

async function askBash(script: string, words: readonly string[], cwd: string): Promise<string[]> {
  const { stdout } = await run("bash", ["-c", ASK, "ask", script, "muster", ...words], { cwd });
  return stdout.split("\n").filter((word) => word !== "");
}

describe("completion", () => {
  test("in bash offers commands, options, choices and files", async () => {
    await using folder = await tempDir("cli");
    const script = folder.join("muster.bash");
    const { stdout, status } = await runMuster(["completion", "bash"], { cwd: folder.path });
    assert.equal(status, 0);
    await writeFile(script, stdout);
    await writeFile(folder.join("rollout.yaml"), "");
    const ask = (...words: string[]): Promise<string[]> => askBash(script, words, folder.path);

    assert.deepEqual(await ask("rol"), ["rollout"]);
    assert.deepEqual(await ask("rollout", "re"), ["resume"]);
    assert.deepEqual(await ask("rollout", "start", "--pl"), ["--plan-digest"]);
    assert.deepEqual(await ask("rollout", "start", "shop-1.4", "--wa"), ["--wait"]);
    assert.deepEqual(await ask("get", "devices", "-o", "j"), ["json"]);
    assert.deepEqual(await ask("get", "attempts", "shop", "--state", "roll"), ["rolled-back"]);
    assert.deepEqual(await ask("apply", "-f", "roll"), ["rollout.yaml"]);
    assert.deepEqual(await ask("get", "devices", "-l", ""), []);
    assert((await ask("")).includes("version"));
  });

  test("in bash loads without a complaint, with its completion registered", async () => {
    await using folder = await tempDir("cli");
    const { stdout } = await runMuster(["completion", "bash"], { cwd: folder.path });
    await writeFile(folder.join("muster.bash"), stdout);
    const command = "source muster.bash && complete -p muster";
    const result = await run("bash", ["--norc", "-c", command], { cwd: folder.path });
    assert.equal(result.stderr, "");
    assert.match(result.stdout, /^complete -o default -F _muster muster$/m);
  });

  for (const [shell, expected] of [
    ["zsh", /'rollout start'\) subcommands=\(\); options=\('--plan-digest:start only if/],
    ["fish", /-n '__muster_at \\'rollout start\\'' -l plan-digest -x -d 'start only if/],
  ] as const) {
    test(`for ${shell} knows every command with its options`, async () => {
      await using folder = await tempDir("cli");
      const { stdout, status } = await runMuster(["completion", shell], { cwd: folder.path });
      assert.equal(status, 0);
      assert.match(stdout, expected);
    });
  }

  test("for another shell is refused", async () => {
    await using folder = await tempDir("cli");
    const { status, stderr } = await runMuster(["completion", "tcsh"], { cwd: folder.path });
    assert.equal(status, 2);
    assert.match(stderr, /value 'tcsh' is invalid .* Allowed choices are bash, zsh, fish\./);
  });
});
