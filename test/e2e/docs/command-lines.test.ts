// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandLines, shellCommands } from "./command-lines.ts";

describe("the commands of a script", () => {
  it("are cut at the end of a line, at && and ; and |, and not at a backslash", () => {
    assert.deepEqual(shellCommands("a b && c; d | e\nf \\\n  g\n"), [
      ["a", "b"],
      ["c"],
      ["d"],
      ["e"],
      ["f", "g"],
    ]);
  });

  it("have the words that a shell would give them", () => {
    assert.deepEqual(shellCommands(`a -l 'region = eu' "x y" b\\ c=d'e f' # a remark\n`), [
      ["a", "-l", "region = eu", "x y", "b c=de f"],
    ]);
  });

  it("do not include files that are written to, nor what is written", () => {
    assert.deepEqual(shellCommands("cat > file <<'EOF'\nmuster nothing\nEOF\na 2>/dev/null b\n"), [
      ["cat"],
      ["a", "b"],
    ]);
  });
});

describe("the commands of a page", () => {
  it("stand in its blocks, and in code spans of its prose", () => {
    const page =
      "`muster a`\n\n```sh\nother\nmuster b c\n```\n\n```text\nmuster d\n```\n`muster\ne`";
    assert.deepEqual(commandLines(page, "muster"), [
      { line: 3, words: ["muster", "b", "c"], isWhole: true },
      { line: 1, words: ["muster", "a"], isWhole: false },
      { line: 11, words: ["muster", "e"], isWhole: false },
    ]);
  });
});
