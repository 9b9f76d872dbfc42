// SPDX-License-Identifier: Apache-2.0
/** The pictures of the pages show what the examples do now: each is played and drawn again. */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ALL_PICTURES, drawPicture, PICTURES_FOLDER } from "../../scripts/pictures.ts";
import { root } from "../../scripts/stage.ts";

describe("the pictures of the pages", () => {
  for (const picture of ALL_PICTURES) {
    test(`${picture.name} shows ${picture.example}`, async () => {
      const file = `${PICTURES_FOLDER}/${picture.name}.svg`;
      const isSame = (await readFile(join(root, file), "utf8")) === (await drawPicture(picture));
      assert.ok(isSame, `${file} is out of date: node scripts/pictures.ts draws it again`);
    });
  }

  test("are all drawn by the script, and each is on a page", async () => {
    const drawn = ALL_PICTURES.map(({ name }) => `${PICTURES_FOLDER}/${name}.svg`).toSorted();
    const there = globSync(`${PICTURES_FOLDER}/*`, { cwd: root }).toSorted();
    assert.deepEqual(there, drawn);
    const pages = globSync("docs/{concepts,guides}/*.md", { cwd: root });
    const texts = await Promise.all(pages.map((page) => readFile(join(root, page), "utf8")));
    for (const { name } of ALL_PICTURES) {
      const isShown = texts.some((text) => text.includes(`../pictures/${name}.svg`));
      assert.ok(isShown, `no page shows ${name}.svg`);
    }
  });
});
