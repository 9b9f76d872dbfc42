// SPDX-License-Identifier: Apache-2.0
/** Windows on the device: what waits for them, over restarts, and what they do not break off. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Downloader } from "../../../agent/download/downloader.ts";
import { runDownload } from "../../../agent/steps/download.ts";
import type { StepContext } from "../../../agent/steps/step-context.ts";
import { runWait } from "../../../agent/steps/wait.ts";
import { WINDOW_INTERVAL_MS } from "../../../agent/steps/window-wait.ts";
import { DAYS } from "../../../domain/window.ts";
import type { OfferedWindows, OfferPayload } from "../../../protocol/device/offer.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";
import { startFixtureAgent, type FixtureAgent } from "./fixture-agent.ts";
import { offerOf, publishApp } from "./fixture-release.ts";

/** From two to three in the night. */
const NIGHT = [{ days: DAYS, fromMinute: 120, toMinute: 180 }];
const HOUR_MS = 3_600_000;
const NIGHTLY: OfferedWindows = { timeZone: "UTC", install: NIGHT, download: [] };

const ECHO: Pick<OfferPayload, "slot" | "action" | "command"> = {
  slot: "command",
  action: "run",
  command: {
    work: { kind: "run", run: ["/bin/echo", "run"] },
    timeoutMs: 60_000,
    outputLimitBytes: 1_024,
  },
};

describe("an agent with an offer that names windows", () => {
  let folder: string;
  let agent: FixtureAgent;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "muster-agent-"));
  });
  afterEach(async () => {
    await agent.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (workingTimeMs: number): Promise<void> => {
    const blobFolder = join(folder, "blobs");
    agent = await startFixtureAgent({
      dataDirectory: join(folder, "data"),
      blobFolder,
      workingTimeMs: () => workingTimeMs,
    });
  };
  const lastWord = (): string => {
    const report = agent.outbox.pending().at(-1);
    return report === undefined ? "" : `${report.phase} ${report.reason ?? ""}`.trim();
  };
  const untilLastWord = (word: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (lastWord() === word) resolve();
      };
      agent.outbox.onPending(look);
      look();
    });

  it("fetches at once, says that it waits, installs after a restart in the window", async () => {
    const release = await publishApp({ blobFolder: join(folder, "blobs"), version: "1.0.0" });
    await start(HOUR_MS);
    await agent.send({ ...offerOf(release, 1), expiresAtMs: 9 * HOUR_MS, windows: NIGHTLY });
    await untilLastWord("waiting window-closed");
    assert.equal(agent.evidence.statuses().app?.digest ?? "", "");
    await agent.stop();

    await start(HOUR_MS);
    await untilLastWord("waiting window-closed");
    await agent.stop();

    await start(2 * HOUR_MS);
    await untilLastWord("installed");
    assert.equal(agent.evidence.status("app").digest, release.digest);
  });

  it("runs a command after a restart in the window, and not before", async () => {
    const offer = { ...offerOf(null, 1), ...ECHO, windows: NIGHTLY, expiresAtMs: 9 * HOUR_MS };
    await start(HOUR_MS);
    await agent.send(offer);
    await untilLastWord("waiting window-closed");
    await agent.stop();

    await start(2 * HOUR_MS);
    await untilLastWord("installed");
    assert.equal(agent.outbox.pending().at(-1)?.detail, "run\n");
  });

  it("fetches nothing while the download window is closed", async () => {
    const release = await publishApp({ blobFolder: join(folder, "blobs"), version: "1.0.0" });
    const windows = { timeZone: "UTC", install: [], download: NIGHT };
    await start(HOUR_MS);
    await agent.send({ ...offerOf(release, 1), expiresAtMs: 9 * HOUR_MS, windows });
    await untilLastWord("downloading");
    await agent.stop();
    assert.equal(lastWord(), "downloading");
    await start(2 * HOUR_MS);
    await untilLastWord("installed");
  });
});

/** What the two steps look at, on virtual time that begins at midnight. */
class StepWorld {
  readonly clock = new VirtualClock({ wallMs: 0 });
  readonly interrupt = new AbortController();
  readonly said: string[] = [];
  isBusy = false;
  /** Signals of the downloads that were begun. */
  readonly downloads: AbortSignal[] = [];
  finishDownload: () => void = () => {};

  context(windows: OfferedWindows, work: Partial<OfferPayload> = {}): StepContext {
    const downloader: Downloader = {
      activeDigest: () => null,
      download: ({ signal }) =>
        new Promise((resolve, reject) => {
          this.downloads.push(signal);
          this.finishDownload = () => resolve({ kind: "done" });
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    };
    const context: Partial<StepContext> = {
      clock: this.clock,
      interrupt: this.interrupt.signal,
      offer: { windows, ...work } as StepContext["offer"],
      workingTimeMs: () => this.clock.wallMs(),
      sayWaiting: (reason) => Promise.resolve(void this.said.push(reason)),
      hooks: { isBusy: () => Promise.resolve(this.isBusy) } as unknown as StepContext["hooks"],
      downloader,
    };
    return context as StepContext;
  }

  /** Time passes in the steps in which windows are looked at; promises settle in between. */
  async pass(durationMs: number): Promise<void> {
    for (let passedMs = 0; passedMs < durationMs; passedMs += WINDOW_INTERVAL_MS) {
      this.clock.advance(WINDOW_INTERVAL_MS);
      for (let turns = 0; turns < 20; turns++) await Promise.resolve();
    }
  }
}

describe("the steps that windows are about", () => {
  it("a download waits for its window, is left when that closes, goes on in the next", async () => {
    const world = new StepWorld();
    const step = { kind: "download", sha256: "", lengthBytes: 1 } as const;
    const result = runDownload(
      world.context({ timeZone: "UTC", install: [], download: NIGHT }),
      step,
    );
    await world.pass(HOUR_MS);
    assert.equal(world.downloads.length, 0);
    await world.pass(HOUR_MS + WINDOW_INTERVAL_MS);
    assert.deepEqual(
      world.downloads.map(({ aborted }) => aborted),
      [false],
    );
    await world.pass(HOUR_MS);
    assert.deepEqual(
      world.downloads.map(({ aborted }) => aborted),
      [true],
    );
    await world.pass(23 * HOUR_MS);
    assert.deepEqual(
      world.downloads.map(({ aborted }) => aborted),
      [true, false],
    );
    world.finishDownload();
    assert.deepEqual(await result, { kind: "done" });
    assert.equal(world.clock.timerCount, 0, "nobody looks at the window any more");
  });

  it("an interrupt ends both waits", async () => {
    const world = new StepWorld();
    const context = world.context({ timeZone: "UTC", install: NIGHT, download: NIGHT });
    const download = runDownload(context, { kind: "download", sha256: "", lengthBytes: 1 });
    const wait = runWait(context, { kind: "wait" });
    const refused = Promise.all([assert.rejects(download), assert.rejects(wait)]);
    await world.pass(WINDOW_INTERVAL_MS);
    world.interrupt.abort();
    await refused;
  });

  it("an install begins in its window only, also on a device that is busy then", async () => {
    const world = new StepWorld();
    world.isBusy = true;
    let endedAtMs = 0;
    const wait = runWait(world.context(NIGHTLY), { kind: "wait" }).then((result) => {
      endedAtMs = world.clock.wallMs();
      return result;
    });
    await world.pass(2.5 * HOUR_MS);
    assert.deepEqual([world.said, endedAtMs], [["window-closed", "busy"], 0]);
    await world.pass(HOUR_MS);
    world.isBusy = false;
    await world.pass(HOUR_MS);
    assert.deepEqual([world.said.at(-1), endedAtMs], ["window-closed", 0]);
    await world.pass(22.5 * HOUR_MS);
    assert.deepEqual(await wait, { kind: "done" });
    assert.equal(endedAtMs, 26 * HOUR_MS, "two in the next night");
  });

  it("a command begins in its window, on a device that is busy too; a reboot waits", async () => {
    const world = new StepWorld();
    world.isBusy = true;
    const ended: string[] = [];
    const wait = (name: string, work: Partial<OfferPayload>): Promise<number> =>
      runWait(world.context(NIGHTLY, work), { kind: "wait" }).then(() => ended.push(name));
    const work = { kind: "built-in", name: "reboot" } as const;
    const reboot = { ...ECHO, command: { work, timeoutMs: 60_000, outputLimitBytes: 1_024 } };
    const waits = [wait("echo", ECHO), wait("reboot", reboot)];
    await world.pass(HOUR_MS);
    assert.deepEqual(ended, []);
    await world.pass(HOUR_MS + WINDOW_INTERVAL_MS);
    assert.deepEqual(ended, ["echo"]);
    world.isBusy = false;
    await world.pass(60_000);
    await Promise.all(waits);
    assert.deepEqual(ended, ["echo", "reboot"]);
  });
});
