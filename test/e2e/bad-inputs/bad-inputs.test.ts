// SPDX-License-Identifier: Apache-2.0
/**
 * Every bad input of the tables on one real installation: what a person or a program is told is
 * word for word what docs/reference/errors.md says, the processes live on, and nothing was changed.
 *
 * `UPDATE_ERRORS_PAGE=1` writes what was said into the page instead: read the difference before you
 * believe it.
 */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { root } from "../../../scripts/stage.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { AREAS } from "./areas.ts";
import { fillIn, type BadInput, type Observed } from "./bad-input.ts";
import { ERRORS_PAGE, readCases, renderCase, rewritePage, withPlaceholders } from "./page.ts";
import { openWorld, type StateDigests, type World } from "./world.ts";

const CASES: readonly BadInput[] = AREAS.flatMap(({ cases }) => cases);

const ALONE = new Set(AREAS.filter(({ alone }) => alone === true).flatMap(({ cases }) => cases));

const CASES_MIN = 40;
/** A few short processes a core. */
const AT_ONCE = 4;
/** On a busy machine; alone it takes less than a minute. */
const TIMEOUT_MS = 280_000;
const updates = process.env["UPDATE_ERRORS_PAGE"] === "1";
const pageFile = join(root, ERRORS_PAGE);

describe("every bad input", { timeout: TIMEOUT_MS }, () => {
  const stack = new AsyncDisposableStack();
  const stop = new AbortController();
  const written = new Map<string, string>();
  let text = "";
  let page: ReadonlyMap<string, string> = new Map();
  let world: World;
  let rest: StateDigests;

  before(async () => {
    text = await readFile(pageFile, "utf8");
    page = readCases(text);
    const folder = stack.use(await tempDir("bad-inputs"));
    world = await openWorld(folder.path, stack, stop.signal);
    rest = await world.settled();
  });

  after(async () => {
    if (updates) await writeFile(pageFile, rewritePage(text, AREAS, written));
    await stack.disposeAsync();
    stop.abort();
  });

  test("has a case of its own on the page, and the page has no others", () => {
    const ids = CASES.map(({ id }) => id);
    assert.ok(ids.length >= CASES_MIN, `${ids.length} bad inputs`);
    assert.equal(new Set(ids).size, ids.length, "an id is there twice");
    if (updates) return;
    assert.deepEqual([...page.keys()], ids);
    assert.equal(rewritePage(text, AREAS, page), text, "titles and introductions");
  });

  describe("at the same time as others", { concurrency: AT_ONCE }, () => {
    for (const input of CASES) if (!isAlone(input)) declare(input);
  });

  describe("one after the other", () => {
    for (const input of CASES) if (isAlone(input)) declare(input);
  });

  test("leaves nothing half-written behind", async () => {
    for (const folder of ["center/artifacts/incoming", "gw-1/cache/incoming"]) {
      assert.deepEqual(await readdir(world.installation.at(folder)), [], folder);
    }
  });

  function declare(input: BadInput): void {
    test(`${input.id}: ${input.title}`, async (context) => {
      if (input.fillsDisk === true && world.disks.missing !== null) {
        context.skip(world.disks.missing);
        return;
      }
      const folder = world.installation.at(`cases/${input.id}`);
      await mkdir(folder, { recursive: true });
      const observed = await tryInput(input, folder);
      check(input, observed, { ...world.values, folder, ...observed.values });
    });
  }

  /** Does it; fails when a process has ended or anything was changed. */
  async function tryInput(input: BadInput, folder: string): Promise<Observed> {
    await input.arrange?.(world, folder);
    const arranged = isAlone(input) ? await world.digests() : rest;
    const state = isSame(arranged, rest) ? arranged : await world.settled();
    try {
      const observed = await input.act(world, folder);
      assert.deepEqual(await world.deadRoles(), [], "no process has ended");
      const now = await world.digests();
      const records = input.recordedBy ?? [];
      const unchanged = Object.keys(now).filter((role) => !records.includes(role as "center"));
      for (const role of unchanged) {
        const key = role as keyof StateDigests;
        assert.equal(now[key], state[key], `the state of the ${role} has changed`);
      }
      return observed;
    } finally {
      await input.restore?.(world, folder);
      if (isAlone(input)) rest = records(input) ? await world.settled() : await world.digests();
    }
  }

  /** Word for word what the page says. */
  function check(
    input: BadInput,
    observed: Observed,
    values: { readonly [name: string]: string },
  ): void {
    const { outcome, message } = observed;
    assert.doesNotMatch(message, /^\s+at .+:\d+:\d+\)?$/m, "a stack trace leaks");
    if (updates) {
      const general = withPlaceholders(message, values);
      written.set(input.id, renderCase(input, { outcome, message: general }));
      return;
    }
    const given = fillIn(input.given, values);
    const expected = fillIn(page.get(input.id) ?? "(not on the page)", values);
    assert.equal(renderCase({ ...input, given }, observed), expected);
  }
});

function isAlone(input: BadInput): boolean {
  return input.alone === true || ALONE.has(input);
}

function records(input: BadInput): boolean {
  return input.recordedBy !== undefined;
}

function isSame(left: StateDigests, right: StateDigests): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
