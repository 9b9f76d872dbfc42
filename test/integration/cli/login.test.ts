// SPDX-License-Identifier: Apache-2.0
// Who a command speaks as, and to whom: login, environment, options.
import assert from "node:assert/strict";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { tempDir } from "../../helpers/temp-dir.ts";
import { FixtureAuthority } from "../gateway/fixture-authority.ts";
import { startFakeCenter, TOKEN } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

const STATUS = { getStatus: () => ({ version: "0.1.0" }), listGateways: () => ({}) };

describe("muster login", () => {
  test("checks the token, saves it for the owner only, and later commands use it", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter(STATUS);
    const options = { cwd: folder.path, stdin: `${TOKEN}\n` };
    const words = ["login", center.url, "--token-file", "-", "--tenant", "acme"];
    const result = await runMuster(words, options);
    const path = folder.join(".config", "muster", "context.json");
    assert.deepEqual(result, {
      status: 0,
      stdout: "",
      stderr: `Logged in to ${center.url} (version 0.1.0); saved in ${path}.\n`,
    });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(await readFile(path, "utf8")), {
      server: center.url,
      token: TOKEN,
      caPem: null,
      tenant: "acme",
    });
    const listed = await runMuster(["get", "gateways"], { cwd: folder.path });
    assert.equal(listed.status, 0);
    assert.equal(center.authorizations.at(-1), `Bearer ${TOKEN}`);
  });

  test("replaces what was saved, and narrows its mode", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter(STATUS);
    await writeFile(folder.join("context.json"), "old");
    await chmod(folder.join("context.json"), 0o644);
    await writeFile(folder.join("token"), TOKEN);
    const options = { cwd: folder.path, environment: { MUSTER_CONFIG: "context.json" } };
    const result = await runMuster(["login", center.url, "--token-file", "token"], options);
    assert.equal(result.status, 0);
    assert.equal((await stat(folder.join("context.json"))).mode & 0o777, 0o600);
  });

  test("saves nothing when the token is refused", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter(STATUS);
    const options = { cwd: folder.path, stdin: "wrong" };
    const result = await runMuster(["login", center.url, "--token-file", "-"], options);
    assert.equal(result.status, 1);
    await assert.rejects(stat(folder.join(".config", "muster", "context.json")));
  });
});

describe("a center with a certificate of its own authority", () => {
  test("is trusted with that authority, which the login keeps", async () => {
    await using folder = await tempDir("cli");
    const authority = await FixtureAuthority.create(folder.join("authority"));
    await using center = await startFakeCenter(STATUS, 0, await authority.center());
    await writeFile(folder.join("ca.pem"), authority.ca);
    const login = ["login", center.url, "--token-file", "-", "--ca-file", "ca.pem"];
    const result = await runMuster(login, { cwd: folder.path, stdin: TOKEN });
    assert.equal(result.stderr.split("\n")[0]?.slice(0, 12), "Logged in to");
    const listed = await runMuster(["get", "gateways"], { cwd: folder.path });
    assert.equal(listed.status, 0);
  });

  test("is refused without it, and with another", async () => {
    await using folder = await tempDir("cli");
    const authority = await FixtureAuthority.create(folder.join("authority"));
    const other = await FixtureAuthority.create(folder.join("other"));
    await using center = await startFakeCenter(STATUS, 0, await authority.center());
    await writeFile(folder.join("ca.pem"), other.ca);
    const options = { cwd: folder.path, environment: center.environment };
    for (const more of [[], ["--ca-file", "ca.pem"]]) {
      const { status, stderr } = await runMuster(["get", "gateways", ...more], options);
      assert.equal(status, 1);
      assert.match(stderr, /^muster: the certificate of the center at https:\S+ did not verify/);
      assert.match(stderr, /→ log in again with --ca-file/);
    }
    assert.deepEqual(center.authorizations, []);
  });

  test("that speaks no TLS there is told from one with a wrong certificate", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter(STATUS);
    const url = center.url.replace("http:", "https:");
    const environment = { MUSTER_SERVER: url, MUSTER_TOKEN: TOKEN };
    const { stderr } = await runMuster(["get", "gateways"], { cwd: folder.path, environment });
    assert.match(
      stderr,
      /^muster: cannot reach the center at https:\S+: it does not speak TLS there$/m,
    );
  });
});

describe("a saved token", () => {
  test("is never sent to another center", async () => {
    await using folder = await tempDir("cli");
    await using mine = await startFakeCenter(STATUS);
    await using other = await startFakeCenter(STATUS);
    const login = ["login", mine.url, "--token-file", "-"];
    await runMuster(login, { cwd: folder.path, stdin: TOKEN });
    const words = ["get", "gateways", "--server", other.url];
    const { stderr, status } = await runMuster(words, { cwd: folder.path });
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`no operator token is known for ${other.url}`));
    assert.deepEqual(other.authorizations, []);
  });

  test("gives way to the environment, and that to the options", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter(STATUS);
    await mkdir(folder.join(".config", "muster"), { recursive: true });
    const saved = { server: center.url, token: "saved", caPem: null, tenant: "default" };
    const file = folder.join(".config", "muster", "context.json");
    await writeFile(file, JSON.stringify(saved), { mode: 0o600 });
    const environment = { MUSTER_TOKEN: "from-environment" };
    await runMuster(["get", "gateways"], { cwd: folder.path, environment });
    await writeFile(folder.join("token"), "from-option");
    const words = ["get", "gateways", "--token-file", "token"];
    await runMuster(words, { cwd: folder.path, environment });
    assert.deepEqual(center.authorizations, ["Bearer from-environment", "Bearer from-option"]);
  });
});
