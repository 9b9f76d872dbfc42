// SPDX-License-Identifier: Apache-2.0
/**
 * A configuration from a file of the operator's to the disks of devices, every role a process and
 * every command the real program: a good one arrives, one that the device's own check refuses
 * changes nothing, one that makes the device sick is put back.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import type { Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { until } from "../helpers/until.ts";

const MUSTER = `${import.meta.dirname}/../../bin/muster.js`;
const DEVICES = ["till-1", "till-2"];
const signal = new AbortController().signal;
let installation: Installation;

/** The program, as a person calls it; answers what it printed. */
async function muster(...words: readonly string[]): Promise<string> {
  const { apiUrl, tokenFile, folder } = installation;
  const connection = ["--server", apiUrl, "--token-file", tokenFile];
  const options = { cwd: folder.path };
  const ran = promisify(execFile)(process.execPath, [MUSTER, ...words, ...connection], options);
  return (await ran).stdout;
}

/** Publishes a version of the settings and rolls it out; answers how that ended. */
async function change(version: string, settings: object): Promise<Rollout> {
  const name = `till-settings-${version}`;
  const document = {
    apiVersion: "muster/v1",
    kind: "Configuration",
    metadata: { name: "till-settings", version },
    spec: {
      document: settings,
      to: "settings.json",
      check: { run: ["grep", "-q", "currency", "settings.json"] },
      healthCheck: { run: ["grep", "-q", "EUR", "settings.json"], attempts: 2, interval: "100ms" },
    },
  };
  const rollout = {
    apiVersion: "muster/v1",
    kind: "Rollout",
    metadata: { name },
    spec: {
      configuration: `till-settings@${version}`,
      selector: "region = local",
      waves: ["1", "rest"],
      soak: "1s",
    },
  };
  // JSON is YAML.
  const text = `${JSON.stringify(rollout)}\n---\n${JSON.stringify(document)}\n`;
  await writeFile(installation.folder.join("change.yaml"), text);
  const { targetsKeyFile } = installation.roles;
  const applied = await muster("apply", "-f", "change.yaml", "--key", targetsKeyFile);
  assert.match(applied, /^configuration +till-settings@\S+ +created\nrollout /m);
  assert.match(await muster("rollout", "plan", name), /: configuration till-settings@\S+ to 2 dev/);
  await muster("rollout", "start", name);
  return installation.operator.rolloutEnd(name);
}

async function settingsOf(device: string): Promise<unknown> {
  const place = `${device}/slots/config/current/settings.json`;
  return JSON.parse(await readFile(installation.folder.join(place), "utf8"));
}

async function explained(device: string): Promise<string> {
  return muster("device", "explain", device);
}

describe("a configuration, every role a process", { timeout: 240_000 }, () => {
  before(async () => {
    installation = await startInstallation({ signal });
    for (const id of DEVICES) await installation.roles.startAgent({ id, inventory: {} });
    const areOnline = async (): Promise<boolean> =>
      (await installation.operator.client.getStatus({})).onlineDevices === DEVICES.length;
    await until("every device is online", areOnline, { timeoutMs: 60_000, signal });
  });
  after(() => installation?.[Symbol.asyncDispose]());

  const good = { currency: "EUR", printer: { paper: 80 } };

  it("reaches the disk of every device, and is what they are said to run", async () => {
    const ended = await change("1.0.0", good);
    assert.equal(ended.state, RolloutState.SUCCEEDED, ended.stateReason);
    for (const device of DEVICES) {
      assert.deepEqual(await settingsOf(device), good);
      const said = await explained(device);
      assert.match(said, /slot config runs configuration till-settings@1\.0\.0, healthy/);
    }
  });

  it("that the device's check refuses changes nothing", async () => {
    const ended = await change("1.1.0", { printer: { paper: 58 } });
    assert.notEqual(ended.state, RolloutState.SUCCEEDED);
    for (const device of DEVICES) assert.deepEqual(await settingsOf(device), good);
    const { attempts } = await installation.operator.client.listAttempts({
      rollout: "till-settings-1.1.0",
    });
    assert.deepEqual(attempts.map(({ reason }) => reason).toSorted()[1], "step-failed");
  });

  it("that makes a device sick is put back, and goes no further", async () => {
    const ended = await change("1.2.0", { currency: "USD" });
    assert.equal(ended.state, RolloutState.ROLLED_BACK, ended.stateReason);
    assert.deepEqual(ended.progress?.byState, { "rolled-back": 1, cancelled: 1 });
    for (const device of DEVICES) {
      assert.deepEqual(await settingsOf(device), good);
      assert.match(await explained(device), /runs configuration till-settings@1\.0\.0, healthy/);
    }
  });
});
