// SPDX-License-Identifier: Apache-2.0
/**
 * The tutorial, as a reader goes through it: the commands of the page, typed into as many terminals
 * as it says, in a home folder of the test's own, each waited for until it prints what the page
 * shows. Then the device's files are looked at. Only two things are not as they stand there: the
 * eight port numbers are replaced by free ones, and `npm ci`, which has run before any test.
 */
import assert from "node:assert/strict";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { tempDir } from "../helpers/temp-dir.ts";
import { until } from "../helpers/until.ts";
import { withFreePorts } from "./tutorial/free-ports.ts";
import { printsAsShown } from "./tutorial/printed.ts";
import { tutorialSteps, type Step } from "./tutorial/steps.ts";
import { Terminal, type BlockState } from "./tutorial/terminal.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const PAGE = join(REPOSITORY, "docs/tutorial/README.md");
const STEP_TIMEOUT_MS = 45_000;
const TIMEOUT_MS = 180_000;

/** Types the step's commands, or presses its key, and waits until the page is right. */
async function follow(step: Step, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const what = `line ${step.line} of the tutorial, in ${terminal.name}`;
  const pressesKey = step.commands === "";
  if (pressesKey) await terminal.interrupt();
  else await terminal.type(step.commands);
  let state: BlockState = await terminal.state();
  const isDone = async (): Promise<boolean> => {
    state = await terminal.state();
    if (state.kind === "running") return step.ends === "when interrupted" && isAsShown();
    if (!step.isRepeated || isAsShown()) return true;
    await terminal.type(step.commands);
    return false;
  };
  const isAsShown = (): boolean => printsAsShown(step.output, state.output);
  await until(what, isDone, { timeoutMs: STEP_TIMEOUT_MS, signal }).catch((error: unknown) => {
    throw new Error(`${String(error)}; it has printed:\n${state.output}`);
  });
  // What a role has printed when it is interrupted was compared when it was started.
  if (!pressesKey && !isAsShown()) assert.equal(state.output, step.output, what);
  if (step.ends === "when interrupted") {
    assert.equal(state.kind, "running", `${what}: it has ended:\n${state.output}`);
  } else {
    assert.ok(state.kind === "ended");
    assert.equal(state.exitStatus, step.exitStatus, `${what}: exit status\n${state.output}`);
    assert.equal(state.hasFailedEarlier, false, `${what}: a command before the last has failed`);
  }
}

/** The first line of an agent's files is a checksum of the rest. */
async function readRecord(file: string): Promise<{ readonly [field: string]: unknown }> {
  const text = await readFile(file, "utf8");
  return JSON.parse(text.slice(text.indexOf("{"))) as { readonly [field: string]: unknown };
}

async function checkDevice(folder: string): Promise<void> {
  const slot = join(folder, "slots/app");
  const side = await readlink(join(slot, "current"));
  assert.equal(await readFile(join(slot, "current/VERSION"), "utf8"), "1.0.0\n");
  const record = await readRecord(join(slot, `${side}.json`));
  assert.deepEqual([record["release"], record["version"]], ["shop", "1.0.0"]);
  const { highestGeneration } = await readRecord(join(slot, "slot.json"));
  assert.equal(highestGeneration, 2, "it has accepted both releases");
  const others = (await readdir(slot)).filter((name) => !name.startsWith(side));
  assert.deepEqual(others.toSorted(), ["current", "slot.json"], "nothing is left of the other one");
  assert.deepEqual(await readdir(join(folder, "downloads")), [], "nor of what was downloaded");
}

const skip = process.platform === "linux" ? false : "the tutorial is for Linux";

describe("the tutorial", { timeout: TIMEOUT_MS, skip }, () => {
  it("leads from nothing to a rollout, and back from a broken one", async (t) => {
    const page = await readFile(PAGE, "utf8");
    const steps = tutorialSteps(await withFreePorts(page));
    const names = [...new Set(steps.flatMap((step) => step.terminals))];
    const notTyped = steps.filter((step) => step.terminals.includes("none"));
    assert.deepEqual(
      notTyped.map((step) => step.commands),
      ["npm ci\n"],
      "only the installation is not typed",
    );

    await using home = await tempDir("tutorial");
    await using terminals = new AsyncDisposableStack();
    const byName = new Map<string, Terminal>();
    for (const name of names.filter((candidate) => candidate !== "none")) {
      const environment = { HOME: home.path, PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8" };
      const options = { name, folder: home.path, workingFolder: REPOSITORY, environment };
      byName.set(name, terminals.use(await Terminal.open(options)));
    }

    const isCleaningUp = (step: Step): boolean => step.commands === "";
    const cleanUp = steps.findIndex(isCleaningUp);
    for (const [index, step] of steps.entries()) {
      if (index === cleanUp) await checkDevice(home.join("muster-tutorial/till-1"));
      for (const name of step.terminals) {
        const terminal = byName.get(name);
        if (terminal !== undefined) await follow(step, terminal, t.signal);
      }
    }
    assert.ok(cleanUp > 0, "the page says how to stop what it has started");
    const left = (await readdir(home.path)).filter((name) => !name.startsWith("terminal-"));
    assert.deepEqual(left, [".config"], "the page removes what it has made");
  });
});
