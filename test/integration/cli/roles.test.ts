// SPDX-License-Identifier: Apache-2.0
// Roles as processes: ready, drained, refused, configured by a file.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { Command } from "commander";
import { declare as declareGateway } from "../../../cli/commands/gateway/gateway.ts";
import { mergeConfigFile } from "../../../cli/roles/role-options.ts";
import { DRAIN_DEADLINE_MS, runRole, type RunningRole } from "../../../cli/roles/run-role.ts";
import type { Shell } from "../../../cli/shell.ts";
import { describeError, isMusterError } from "../../../domain/errors.ts";
import { listen } from "../../../runtime/listen.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";
import { ended, runMuster, startMuster } from "./run-muster.ts";

interface TestShell extends Shell {
  /** What was said on standard error. */
  said(): string;
  interruptNow(): void;
  readonly drains: number[];
}

function testShell(): TestShell {
  const stream = new PassThrough();
  const controller = new AbortController();
  const drains: number[] = [];
  return {
    stdin: stream,
    stdout: stream,
    stderr: stream,
    environment: {},
    clock: new VirtualClock(),
    random: systemRandom,
    interrupt: { signal: controller.signal, drain: (deadlineMs) => void drains.push(deadlineMs) },
    setExitStatus: () => {},
    said: () => String(stream.read() ?? ""),
    interruptNow: () => controller.abort(new Error("interrupted")),
    drains,
  };
}

/** A role that ends when it is told to; `stops` counts how often that was. */
function fakeRole(): RunningRole & { stops: number; fail: (error: Error) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {}); // Some tests end before anybody looks.
  const role = {
    stops: 0,
    ended: promise,
    stop: async () => {
      role.stops += 1;
      resolve();
    },
    fail: reject,
  };
  return role;
}

describe("a role", () => {
  test("says where it listens, writes the ready file, and drains when interrupted", async () => {
    await using folder = await tempDir("cli");
    const shell = testShell();
    const role = fakeRole();
    const facts = { mqttsPort: 8883 };
    const readyFile = folder.join("ready.json");
    const start = async (): Promise<{ name: string; role: RunningRole; facts: typeof facts }> => {
      return { name: "gateway eu/gw-1", role, facts };
    };
    const running = runRole({ shell, readyFile, start });
    const [line] = (await once(shell.stderr, "data")) as [Buffer];
    assert.equal(String(line), "muster gateway eu/gw-1 is ready: mqttsPort 8883\n");
    assert.deepEqual(JSON.parse(await readFile(readyFile, "utf8")), {
      pid: process.pid,
      mqttsPort: 8883,
    });
    assert.deepEqual(shell.drains, [DRAIN_DEADLINE_MS]);
    assert.equal(role.stops, 0);
    shell.interruptNow();
    await running;
    assert.equal(role.stops, 1);
  });

  test("that cannot go on fails, after it has put its things away", async () => {
    const shell = testShell();
    const role = fakeRole();
    const running = runRole({
      shell,
      readyFile: undefined,
      start: async () => ({ name: "center", role, facts: {} }),
    });
    role.fail(new Error("another leader took over"));
    await assert.rejects(running, /another leader took over/);
    assert.equal(role.stops, 1);
  });

  test("that is interrupted before it is ready ends in order", async () => {
    const shell = testShell();
    const running = runRole({
      shell,
      readyFile: undefined,
      start: (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(new Error("gave up")));
        }),
    });
    shell.interruptNow();
    await running;
  });
});

describe("a role's configuration file", () => {
  /** The options of `muster gateway` with this file and these words. */
  async function merged(text: string, words: readonly string[] = []): Promise<Command> {
    await using folder = await tempDir("cli");
    const file = folder.join("gateway.yaml");
    await writeFile(file, text);
    const command = new Command("gateway").exitOverride();
    declareGateway(command, testShell());
    command.action(() => {});
    command.parse(["--config", file, ...words], { from: "user" });
    await mergeConfigFile(command);
    return command;
  }

  test("fills in what the command line left out, through the same parsers", async () => {
    const text = "data: gw\nheartbeat: 10s\nmqttsPort: 1883\nhost: 127.0.0.1\nlogLevel: warn\n";
    const options = (await merged(text, ["--mqtts-port", "0"])).opts();
    assert.equal(options["data"], "gw");
    assert.equal(options["heartbeat"], 10_000);
    assert.equal(options["mqttsPort"], 0);
    assert.equal(options["artifactsPort"], 7_444);
    assert.equal(options["logLevel"], "warn");
  });

  const bad: readonly (readonly [text: string, said: string])[] = [
    ["mqttPort: 1\n", ':1:1 (mqttPort): unknown option "mqttPort"\n  → did you mean "mqttsPort"?'],
    ["data: gw\nmqttsPort: 70000\n", ':2:12 (mqttsPort): "70000": Give a port, 0 to 65535.'],
    [
      "heartbeat: fast\n",
      ':1:12 (heartbeat): "fast" is not a duration like 500ms, 30s, 5m, 2h or 14d',
    ],
    ["logLevel: loud\n", ':1:11 (logLevel): must be one of debug, info, warn, error, not "loud"'],
    ["- data\n", ":1:1: must be a mapping of options, as `region: eu`"],
    ["data: true\n", ":1:7 (data): must be text or a number"],
  ];
  for (const [text, said] of bad) {
    test(`with ${JSON.stringify(text)} is refused with its place`, async () => {
      await assert.rejects(merged(text), (error) => {
        assert(isMusterError(error));
        assert.equal(describeError(error).replace(/^.*gateway\.yaml/, ""), said);
        return true;
      });
    });
  }
});

const FREE_PORTS = "apiPort: 0\nlinkPort: 0\nenrolmentPort: 0\nadminPort: 0\nhost: 127.0.0.1\n";

describe("muster center", () => {
  test("runs from its first start to an orderly end, and its token logs in", async () => {
    await using folder = await tempDir("cli");
    await writeFile(folder.join("center.yaml"), `data: data\nlogFile: log\n${FREE_PORTS}`);
    const options = { cwd: folder.path };
    const words = ["center", "--config", "center.yaml", "--ready-file", "ready.json"];
    const child = startMuster(words, options);
    const result = ended(child);
    assert(child.stderr !== null);
    const [line] = (await once(child.stderr, "data")) as [string];
    assert.match(line, /^muster center is ready: apiPort \d+, linkPort \d+/);
    const ready = JSON.parse(await readFile(folder.join("ready.json"), "utf8")) as {
      apiPort: number;
      tokenFile: string;
    };
    const login = ["login", `http://127.0.0.1:${ready.apiPort}`, "--token-file", ready.tokenFile];
    assert.equal((await runMuster(login, options)).status, 0);
    const enrolled = await runMuster(["device", "enroll", "till-1", "--region", "eu"], options);
    assert.match(enrolled.stdout, /^muster-enrol\./);
    const verified = await runMuster(["audit", "verify"], options);
    assert.match(verified.stdout, /^The audit log is whole: \d+ records/);
    child.kill("SIGTERM");
    const { status, stdout } = await result;
    assert.deepEqual({ status, stdout }, { status: 0, stdout: "" });
  });

  test("whose port is taken says so, and which", async () => {
    await using folder = await tempDir("cli");
    const server = createServer();
    const port = await listen(server, { what: "a test", host: "127.0.0.1", port: 0 });
    await writeFile(folder.join("center.yaml"), `data: data\nlogFile: log\n${FREE_PORTS}`);
    const words = ["center", "--config", "center.yaml", "--api-port", String(port)];
    const { status, stderr } = await runMuster(words, { cwd: folder.path });
    server.close();
    assert.equal(status, 1);
    assert.equal(
      stderr,
      `muster: cannot open the API listener on 127.0.0.1:${port}: the port is taken by another ` +
        "process\n  → stop that process or choose another port\n",
    );
  });
});

describe("muster gateway", () => {
  test("that was never enrolled says how", async () => {
    await using folder = await tempDir("cli");
    const words = ["gateway", "--data", "gw", "--center", "localhost:1"];
    const { status, stderr } = await runMuster(words, { cwd: folder.path });
    assert.equal(status, 1);
    assert.equal(
      stderr,
      "muster: gw: this gateway is not enrolled yet\n" +
        "  → make a token with `muster gateway enroll` and start once with --enrolment-url and " +
        "--enrol-token-file\n",
    );
  });

  test("without a data folder says which option is missing", async () => {
    await using folder = await tempDir("cli");
    const { status, stderr } = await runMuster(["gateway"], { cwd: folder.path });
    assert.equal(status, 2);
    assert.match(stderr, /^muster: the option --data is missing\n/);
  });
});
