// SPDX-License-Identifier: Apache-2.0
// Every command explains itself, and the names that scripts rely on are there.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Command } from "commander";
import { commandWords } from "../../../cli/completion/command-words.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { loadCommandTree } from "../../../scripts/cli-reference.ts";
import { runMuster } from "./run-muster.ts";

const program = await loadCommandTree();

function find(path: string): Command {
  return path
    .split(" ")
    .filter((name) => name !== "")
    .reduce<Command>((command, name) => {
      const child = command.commands.find((candidate) => candidate.name() === name);
      assert(child !== undefined, `${path} is a command`);
      return child;
    }, program);
}

/** Help as printed, examples included. */
function helpOf(path: string): string {
  let text = "";
  const command = find(path);
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

describe("help", () => {
  for (const { path, options } of commandWords(program)) {
    test(`of muster ${path} has a sentence, examples and a word on each option`, () => {
      const text = helpOf(path);
      assert.match(text, /^Usage: muster/);
      assert.match(text, /^[A-Z].*\.$/m);
      const example = path === "" || find(path).commands.length > 0 ? "muster" : `muster ${path}`;
      assert.match(text, new RegExp(`Examples:\\n(?:.*\\n)*? {2}\\$ .*${example}`));
      for (const { flags, description } of options) {
        assert.notEqual(description, "", `${flags.join(", ")} is described`);
      }
    });
  }

  test("is the same for `help rollout start` and `rollout start --help`", async () => {
    await using folder = await tempDir("cli");
    const options = { cwd: folder.path };
    const asked = await runMuster(["help", "rollout", "start"], options);
    const flagged = await runMuster(["rollout", "start", "--help"], options);
    assert.deepEqual(asked, flagged);
    assert.equal(asked.status, 0);
    assert.equal(asked.stderr, "");
  });

  test("is what muster alone says, and what a group alone says as bad usage", async () => {
    await using folder = await tempDir("cli");
    const alone = await runMuster([], { cwd: folder.path });
    assert.equal(alone.status, 0);
    assert.match(alone.stdout, /^Usage: muster/);
    const group = await runMuster(["rollout"], { cwd: folder.path });
    assert.equal(group.status, 2);
    assert.equal(group.stdout, "");
    assert.match(group.stderr, /^Usage: muster rollout/);
  });
});

describe("the commands", () => {
  test("that scripts and pages rely on are there", () => {
    const names =
      "center gateway agent apply get rollout release device login token audit doctor version";
    for (const name of names.split(" ")) find(name);
    const groups = {
      rollout: "plan start watch pause resume stop rollback explain",
      release: "create sign verify",
      device: "get explain enroll import retire",
      audit: "list verify",
      get: "rollouts releases devices gateways attempts tokens",
    };
    for (const [group, children] of Object.entries(groups)) {
      for (const child of children.split(" ")) find(`${group} ${child}`);
    }
  });

  test("that print data all take -o", () => {
    const silent = new Set(["", "login", "completion", "center", "gateway", "agent"]);
    for (const { path, subcommands, options } of commandWords(program)) {
      if (silent.has(path) || subcommands.length > 0 || /^(?:demo|simulate)/.test(path)) continue;
      const output = options.find(({ flags }) => flags.includes("-o"));
      assert.deepEqual(output?.choices, ["table", "json", "yaml"], `muster ${path}`);
    }
  });
});
