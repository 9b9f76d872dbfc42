// SPDX-License-Identifier: Apache-2.0
/**
 * Stories of rollouts, each a file a person can read: commands and, under each, everything that it
 * brings about. The expectations are written by hand, from the semantics.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Story } from "./story.ts";

const DIRECTORY = import.meta.dirname;
const NAMES = readdirSync(DIRECTORY).filter((name) => name.endsWith(".txt"));

function retell(text: string): string {
  const lines = text.split("\n");
  const firstCommand = lines.findIndex((line) => line.startsWith("> "));
  const setup = lines.slice(0, firstCommand);
  const story = new Story(setup);
  const told = [...setup];
  for (const line of lines.slice(firstCommand)) {
    if (line === "" || line.startsWith("#")) told.push(line);
    else if (line.startsWith("> ")) told.push(line, ...story.play(line.slice(2)));
    else if (line.startsWith("everybody runs ")) told.push(`everybody runs ${story.runs}`);
  }
  assert(story.isOver, "a story has an end");
  return told.join("\n");
}

describe("stories", () => {
  test("there are at least thirty", () => assert(NAMES.length >= 30));

  for (const name of NAMES) {
    const text = readFileSync(`${DIRECTORY}/${name}`, "utf8");
    test(`${name}: ${text.split("\n")[0]?.slice(2)}`, () => {
      assert.equal(retell(text), text);
    });
  }
});
