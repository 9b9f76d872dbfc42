// SPDX-License-Identifier: Apache-2.0
// Importing devices from CSV: all or nothing, in batches, with tokens.
import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import type { RegisterDevicesRequest } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { startFakeCenter, type Answers } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

/** A center that registers and enrols, remembering the batches. */
function registrar(batches: RegisterDevicesRequest[]): Answers {
  return {
    registerDevices: (request) => {
      batches.push(request);
      return { created: request.devices.length };
    },
    enrolDevices: ({ devices }) => ({ tokens: devices.map((id) => `token-of-${id}`) }),
  };
}

const BAD_CSV = "id,region\ntill-1,eu\ntill 2,eu\ntill-3,EU\n";

describe("muster device import", () => {
  test("sends good rows in batches of a thousand and writes their tokens", async () => {
    await using folder = await tempDir("cli");
    const batches: RegisterDevicesRequest[] = [];
    await using center = await startFakeCenter(registrar(batches));
    const rows = Array.from({ length: 2_500 }, (_, index) => `till-${index},eu\n`);
    await writeFile(folder.join("devices.csv"), `id,region\n${rows.join("")}`);
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["device", "import", "devices.csv", "--tokens", "tokens.csv"];
    const result = await runMuster(words, options);
    assert.equal(result.status, 0);
    assert.equal(result.stdout, "2,500 created, 0 updated, 0 unchanged, 0 skipped\n");
    assert.match(result.stderr, /^import: 2,500\/2,500 \(100 %\)$/m);
    assert.deepEqual(
      batches.map(({ devices }) => devices.length),
      [1_000, 1_000, 500],
    );
    const keys = new Set(batches.map(({ mutation }) => mutation?.idempotencyKey));
    assert.equal(keys.size, 3);
    const tokens = (await readFile(folder.join("tokens.csv"), "utf8")).trimEnd().split("\n");
    assert.equal(tokens.length, 2_501);
    assert.deepEqual(tokens.slice(0, 2), ["id,token", "till-0,token-of-till-0"]);
    assert.equal((await stat(folder.join("tokens.csv"))).mode & 0o777, 0o600);
  });

  test("imports nothing when a row is bad, and names each", async () => {
    await using folder = await tempDir("cli");
    const batches: RegisterDevicesRequest[] = [];
    await using center = await startFakeCenter(registrar(batches));
    await writeFile(folder.join("devices.csv"), BAD_CSV);
    const options = { cwd: folder.path, environment: center.environment };
    const result = await runMuster(["device", "import", "devices.csv"], options);
    assert.deepEqual(result, {
      status: 2,
      stdout: "",
      stderr:
        'muster: devices.csv:3 (id): device id "till 2" is not 1–128 characters of ' +
        "A–Z a–z 0–9 . _ : -\n" +
        'muster: devices.csv:4 (region): region "EU" is not 1–63 characters of a–z 0–9 . _ - ' +
        "starting and ending with a letter or digit\n" +
        "muster: devices.csv: 2 bad rows; nothing was imported\n" +
        "  → correct them, or leave them out with --skip-bad\n",
    });
    assert.equal(batches.length, 0);
  });

  test("leaves bad rows out when told to, and still names them", async () => {
    await using folder = await tempDir("cli");
    const batches: RegisterDevicesRequest[] = [];
    await using center = await startFakeCenter(registrar(batches));
    await writeFile(folder.join("devices.csv"), BAD_CSV);
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["device", "import", "devices.csv", "--skip-bad", "-o", "json"];
    const { status, stdout, stderr } = await runMuster(words, options);
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout), { created: 1, updated: 0, unchanged: 0, skipped: 2 });
    assert.match(stderr, /devices\.csv:3 .*devices\.csv:4 .*2 bad rows left out/s);
    assert.deepEqual(
      batches.flatMap(({ devices }) => devices.map(({ id }) => id)),
      ["till-1"],
    );
  });

  test("does not touch a file of tokens that is there, nor send anything then", async () => {
    await using folder = await tempDir("cli");
    const batches: RegisterDevicesRequest[] = [];
    await using center = await startFakeCenter(registrar(batches));
    await writeFile(folder.join("devices.csv"), "id,region\ntill-1,eu\n");
    await writeFile(folder.join("tokens.csv"), "precious");
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["device", "import", "devices.csv", "--tokens", "tokens.csv"];
    const { status, stderr } = await runMuster(words, options);
    assert.equal(status, 1);
    assert.equal(
      stderr,
      "muster: tokens.csv: making the file of tokens failed: it exists already\n",
    );
    assert.equal(await readFile(folder.join("tokens.csv"), "utf8"), "precious");
    assert.equal(batches.length, 0);
  });

  test("checks a file without a center", async () => {
    await using folder = await tempDir("cli");
    await writeFile(folder.join("devices.csv"), "id,region\ntill-1,eu\ntill-2,eu\n");
    const words = ["device", "import", "devices.csv", "--dry-run", "-o", "json"];
    const { status, stdout } = await runMuster(words, { cwd: folder.path });
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout), { good: 2, bad: 0 });
  });

  test("says when the file is not there", async () => {
    await using folder = await tempDir("cli");
    const { status, stderr } = await runMuster(["device", "import", "no.csv"], {
      cwd: folder.path,
    });
    assert.equal(status, 1);
    assert.equal(stderr, "muster: no.csv: reading the devices failed: there is no such file\n");
  });
});
