// SPDX-License-Identifier: Apache-2.0
// The main commands as a person runs them: the real program against a fake center.
import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  DeviceSchema,
  GatewaySchema,
  OnStop,
  Presence,
  RolloutState,
  type ApplyRolloutRequest,
  type EnrolDevicesRequest,
  type ListDevicesRequest,
  type RegisterDevicesRequest,
  type StartRolloutRequest,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { sampleRollout, startFakeCenter, TOKEN } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

const ROLLOUT_YAML = `apiVersion: muster/v1
kind: Rollout
metadata: { name: shop-1.4 }
spec:
  release: shop@1.4.0
  selector: region = eu
  waves: [2, rest]
  onStop: pause
`;

describe("muster apply", () => {
  test("sends the rollout with the reason, and says what became of it", async () => {
    await using folder = await tempDir("cli");
    const asked: ApplyRolloutRequest[] = [];
    await using center = await startFakeCenter({
      applyRollout: (request) => {
        asked.push(request);
        return { rollout: sampleRollout(), created: true, changed: true };
      },
    });
    await writeFile(folder.join("rollout.yaml"), ROLLOUT_YAML);
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["apply", "-f", "rollout.yaml", "--reason", "spring", "--tenant", "acme"];
    const result = await runMuster(words, options);
    assert.deepEqual(result, {
      status: 0,
      stdout: "KIND     NAME      RESULT\nrollout  shop-1.4  created\n",
      stderr: "",
    });
    const [request] = asked;
    assert.equal(request?.tenant, "acme");
    assert.equal(request.mutation?.reason, "spring");
    assert.match(request.mutation.idempotencyKey, /^[0-9a-f]{32}$/);
    assert.equal(request.spec?.onStop, OnStop.PAUSE);
    assert.deepEqual(center.authorizations, [`Bearer ${TOKEN}`]);
  });

  test("reads standard input and answers in JSON", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      applyRollout: () => ({ rollout: sampleRollout(), created: false, changed: false }),
    });
    const { stdout } = await runMuster(["apply", "-f", "-", "-o", "json"], {
      cwd: folder.path,
      environment: center.environment,
      stdin: ROLLOUT_YAML,
    });
    assert.deepEqual(JSON.parse(stdout), [
      { kind: "rollout", name: "shop-1.4", tenant: "default", result: "unchanged" },
    ]);
  });

  test("checks a folder without sending anything when asked to", async () => {
    await using folder = await tempDir("cli");
    await writeFile(folder.join("a.yaml"), ROLLOUT_YAML);
    await writeFile(folder.join("notes.txt"), "not a document");
    const result = await runMuster(["apply", "-f", ".", "--dry-run"], { cwd: folder.path });
    assert.deepEqual(result, { status: 0, stdout: "", stderr: "1 checked, nothing sent.\n" });
  });
});

describe("muster get", () => {
  test("lists in a table, in JSON and in YAML", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      listRollouts: () => ({ rollouts: [sampleRollout()] }),
    });
    const options = { cwd: folder.path, environment: center.environment };
    const table = await runMuster(["get", "rollouts"], options);
    assert.deepEqual(
      table.stdout.split("\n").map((line) => line.split(/ {2,}/)),
      [
        [
          "NAME",
          "STATE",
          "SUBJECT",
          "WAVE",
          "DEVICES",
          "SUCCEEDED",
          "BACK",
          "FAILED",
          "UNPROVEN",
          "STARTED",
        ],
        [
          "shop-1.4",
          "running",
          "shop@1.4.0",
          "1/2",
          "10",
          "1",
          "0",
          "0",
          "1/2",
          "2026-01-01 00:01:00Z",
        ],
        [""],
      ],
    );
    const json = await runMuster(["get", "rollouts", "-o", "json"], options);
    const [rollout] = JSON.parse(json.stdout) as [{ state: string; plan: { waves: unknown[] } }];
    assert.equal(rollout.state, "running");
    assert.equal(rollout.plan.waves.length, 2);
    const yaml = await runMuster(["get", "rollouts", "-o", "yaml"], options);
    assert.match(yaml.stdout, /^- tenant: default\n {2}name: shop-1\.4\n/);
  });

  test("says when nothing is there, as an empty list", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({ listReleases: () => ({}) });
    const options = { cwd: folder.path, environment: center.environment };
    assert.equal((await runMuster(["get", "releases", "-o", "json"], options)).stdout, "[]\n");
    assert.equal((await runMuster(["get", "releases", "-o", "yaml"], options)).stdout, "[]\n");
  });

  test("follows pages up to its limit and says that there are more", async () => {
    await using folder = await tempDir("cli");
    const asked: ListDevicesRequest[] = [];
    await using center = await startFakeCenter({
      listDevices: (request) => {
        asked.push(request);
        const first = Number(request.pageToken === "" ? "0" : request.pageToken);
        const ids = Array.from({ length: Math.min(request.pageSize, 2) }, (_, i) => first + i);
        return {
          devices: ids.map((id) => create(DeviceSchema, { id: `till-${id}` })),
          nextPageToken: String(first + ids.length),
        };
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["get", "devices", "-l", "region = eu", "--limit", "5", "-o", "json"];
    const { stdout, stderr } = await runMuster(words, options);
    const devices = JSON.parse(stdout) as { id: string }[];
    assert.deepEqual(
      devices.map(({ id }) => id),
      ["till-0", "till-1", "till-2", "till-3", "till-4"],
    );
    assert.equal(stderr, "The first 5 are listed; there are more. --limit 0 lists all.\n");
    assert.deepEqual(
      asked.map(({ pageSize, pageToken, selector }) => [pageSize, pageToken, selector]),
      [
        [5, "", "region = eu"],
        [3, "2", "region = eu"],
        [1, "4", "region = eu"],
      ],
    );
  });

  test("shows a gateway's id, address, services and time", async () => {
    await using folder = await tempDir("cli");
    const gateway = create(GatewaySchema, {
      id: "gw-1",
      region: "eu",
      ip: "10.0.0.7",
      services: [
        { name: "mqtts", port: 8883 },
        { name: "artifacts", port: 7444 },
      ],
      registeredAtMs: 1_767_225_600_000n,
      lastSeenAtMs: 1_767_225_660_000n,
      online: true,
      connectedDevices: 12_000,
      connectionLimit: 100_000,
      version: "0.1.0",
    });
    await using center = await startFakeCenter({ listGateways: () => ({ gateways: [gateway] }) });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["get", "gateways", "gw-1"], options);
    assert.deepEqual(stdout.split("\n")[1]?.split(/ {2,}/), [
      "gw-1",
      "eu",
      "online",
      "10.0.0.7",
      "mqtts:8883 artifacts:7444",
      "12,000",
      "100,000",
      "2026-01-01 00:00:00Z",
      "2026-01-01 00:01:00Z",
      "0.1.0",
    ]);
  });
});

describe("muster rollout", () => {
  test("plan prints a page to review, with the command that starts exactly it", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      planRollout: () => ({ rollout: sampleRollout({ state: RolloutState.PLANNED }) }),
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout, status } = await runMuster(["rollout", "plan", "shop-1.4"], options);
    const digest = "4f".repeat(32);
    assert.equal(status, 0);
    assert.equal(
      stdout,
      `Plan of rollout shop-1.4: shop@1.4.0 to 10 devices

selector    region = eu
worst case  2 devices unproven at any moment
in flight   at most 2 devices at once
stops at    3 failed; the next wave needs 95 % success
download    20.0 KiB before compression, all devices together
duration    about 1m 30s
digest      ${digest}

WAVE  DEVICES  EXPECTED     DIGEST        FIRST OF THEM
   1        2  0s – 1m      aaaaaaaaaaaa  till-1 till-2
   2        8  1m – 1m 30s  bbbbbbbbbbbb  till-3

Left out: 1 device
DEVICES  REASON   FOR EXAMPLE
      1  retired  till-99

Start exactly this plan: muster rollout start shop-1.4 --plan-digest ${digest}
`,
    );
  });

  test("start sends the digest that was reviewed", async () => {
    await using folder = await tempDir("cli");
    const asked: StartRolloutRequest[] = [];
    await using center = await startFakeCenter({
      startRollout: (request) => {
        asked.push(request);
        return { rollout: sampleRollout() };
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["rollout", "start", "shop-1.4", "--plan-digest", "abc"];
    const { stdout } = await runMuster(words, options);
    assert.equal(stdout, "rollout shop-1.4 is running: wave 1 is under way\n");
    assert.equal(asked[0]?.planDigest, "abc");
  });

  for (const [verb, call] of [
    ["pause", "pauseRollout"],
    ["resume", "resumeRollout"],
    ["stop", "stopRollout"],
  ] as const) {
    test(`${verb} is one call and one sentence`, async () => {
      await using folder = await tempDir("cli");
      const rollout = sampleRollout({ state: RolloutState.PAUSED, stateReason: "asked for" });
      await using center = await startFakeCenter({ [call]: () => ({ rollout }) });
      const options = { cwd: folder.path, environment: center.environment };
      const { stdout } = await runMuster(["rollout", verb, "shop-1.4"], options);
      assert.equal(stdout, "rollout shop-1.4 is paused: asked for\n");
    });
  }

  test("explain says what a rollout waits for and why devices failed", async () => {
    await using folder = await tempDir("cli");
    const rollout = sampleRollout({ state: RolloutState.PAUSED, stateReason: "3 failures" });
    assert(rollout.progress !== undefined);
    rollout.progress.byState = { failed: 2, lost: 1, pending: 7 };
    rollout.progress.failures = 3;
    await using center = await startFakeCenter({
      getRollout: () => ({ rollout }),
      listAttempts: ({ state }) => ({
        attempts:
          state === "failed"
            ? [
                { device: "till-1", state, reason: "health check" },
                { device: "till-2", state, reason: "health check" },
              ]
            : [{ device: "till-3", state, reason: "" }],
      }),
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["rollout", "explain", "shop-1.4"], options);
    assert.equal(
      stdout,
      `rollout shop-1.4 is paused: 3 failures
  wave 1 of 2; 7 pending, 2 failed, 1 lost
  the gate has seen 2 accepted and 3 failed
  go on: muster rollout resume shop-1.4
  2 failed: health check, as on till-1
  1 lost, as on till-3
`,
    );
  });
});

describe("muster device", () => {
  test("get shows what is known and what it runs", async () => {
    await using folder = await tempDir("cli");
    const device = create(DeviceSchema, {
      tenant: "default",
      id: "till-1",
      region: "eu",
      labels: { ring: "canary", floor: "2" },
      presence: Presence.ONLINE,
      gateway: "gw-1",
      lastSeenAtMs: 1_767_225_600_000n,
      registeredAtMs: 1_767_225_500_000n,
      ordinal: 41,
      running: [
        {
          slot: "app",
          digest: "ab".repeat(32),
          release: "shop@1.3.0",
          generation: 4,
          healthy: true,
        },
      ],
      inventory: { hwRevision: "b" },
    });
    await using center = await startFakeCenter({ getDevice: () => ({ device }) });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["device", "get", "till-1"], options);
    assert.equal(
      stdout,
      `device         till-1
tenant         default
presence       online
last seen      2026-01-01 00:00:00Z
gateway        gw-1
region         eu
labels         floor=2,ring=canary
service level  standard
critical       no
registered     2025-12-31 23:58:20Z
ordinal        41

Runs
  app  shop@1.3.0, healthy, generation 4, ${"ab".repeat(32)}

Reports
  hwRevision  b
`,
    );
  });

  test("enroll registers it when facts are given; its token goes into a private file", async () => {
    await using folder = await tempDir("cli");
    const registered: RegisterDevicesRequest[] = [];
    const enrolled: EnrolDevicesRequest[] = [];
    await using center = await startFakeCenter({
      registerDevices: (request) => {
        registered.push(request);
        return { created: 1 };
      },
      enrolDevices: (request) => {
        enrolled.push(request);
        return { tokens: ["muster-enrol.secret"] };
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const facts = ["--region", "eu", "--label", "ring=canary,floor=2", "--critical"];
    const words = ["device", "enroll", "till-1", ...facts, "--out", "till.token"];
    const result = await runMuster(words, options);
    assert.deepEqual(result, {
      status: 0,
      stdout: "",
      stderr: "The token is in till.token; it works once.\n",
    });
    assert.equal(await readFile(folder.join("till.token"), "utf8"), "muster-enrol.secret\n");
    assert.equal((await stat(folder.join("till.token"))).mode & 0o777, 0o600);
    const [device] = registered[0]?.devices ?? [];
    assert.deepEqual({ ...device?.labels }, { ring: "canary", floor: "2" });
    assert.equal(device?.critical, true);
    assert.equal(enrolled[0]?.lifetimeMs, 86_400_000n);

    const again = await runMuster(["device", "enroll", "till-1", "--lifetime", "30m"], options);
    assert.equal(again.stdout, "muster-enrol.secret\n");
    assert.equal(registered.length, 1);
    assert.equal(enrolled[1]?.lifetimeMs, 1_800_000n);
  });
});
