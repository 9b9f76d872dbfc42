// SPDX-License-Identifier: Apache-2.0
// From a release document to a published release: create, sign, verify, apply.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { describeError, isMusterError } from "../../../domain/errors.ts";
import { measureArchive } from "../../../cli/release/measure-archive.ts";
import type { ReleaseManifest } from "../../../protocol/device/release-manifest.ts";
import type { PublishReleaseRequest } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { generateEd25519Pem } from "../../../protocol/trust/ed25519.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { refusal, startFakeCenter, type FakeCenter } from "./fake-center.ts";
import {
  createTrust,
  RELEASE_YAML,
  tarOf,
  writeRelease,
  type TarEntry,
} from "./release-fixture.ts";
import { runMuster, type MusterOptions } from "./run-muster.ts";

const BUNDLE = "shop-1.4.0.muster";

describe("muster release create", () => {
  test("makes a bundle of the manifest and its artifacts, each under its digest", async () => {
    await using folder = await tempDir("cli");
    await writeRelease(folder);
    const options = { cwd: folder.path };
    const result = await runMuster(["release", "create", "release.yaml"], options);
    assert.deepEqual(result, { status: 0, stdout: `${BUNDLE}\n`, stderr: "" });
    const text = await readFile(folder.join(BUNDLE, "manifest.json"), "utf8");
    const manifest = JSON.parse(text) as ReleaseManifest;
    const [app, motd] = manifest.artifacts;
    assert.equal(app?.unpackedBytes, 17);
    assert.equal(motd?.unpackedBytes, undefined);
    assert.deepEqual(manifest.steps, [
      { kind: "archive", artifact: "app", to: "." },
      { kind: "file", artifact: "motd", to: "etc/motd", mode: "0644" },
      { kind: "command", run: ["sh", "-c", "echo one\necho two"], timeoutMs: 120_000 },
      { kind: "service", restart: "shop" },
    ]);
    assert.deepEqual(manifest.healthCheck, {
      run: ["./bin/check"],
      timeoutMs: 10_000,
      attempts: 5,
      intervalMs: 5_000,
    });
    for (const { sha256, lengthBytes } of manifest.artifacts) {
      const bytes = await readFile(folder.join(BUNDLE, "artifacts", sha256));
      assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
      assert.equal(bytes.length, lengthBytes);
    }
  });

  test("gives the same bytes for the same release", async () => {
    await using folder = await tempDir("cli");
    await writeRelease(folder);
    for (const out of ["one", "two"]) {
      await runMuster(["release", "create", "release.yaml", "--out", out], { cwd: folder.path });
    }
    const [one, two] = await Promise.all(
      ["one", "two"].map((out) => readFile(folder.join(out, "manifest.json"), "utf8")),
    );
    assert.equal(one, two);
  });

  const bad: readonly (readonly [name: string, before: string, after: string, said: string])[] = [
    [
      "a version that is not semantic",
      "version: 1.4.0",
      "version: 1.4.0.1",
      'release.yaml:3:34 (metadata.version): "1.4.0.1" is not a semantic version\n' +
        "  → write three numbers, as in 1.4.0 or 1.4.0-rc.1 (semver.org)",
    ],
    [
      "a version that YAML reads as a number",
      "version: 1.4.0",
      "version: 1.4",
      'release.yaml:3:34 (metadata.version): "1.4" is not a semantic version\n' +
        "  → write three numbers, as in 1.4.0 or 1.4.0-rc.1 (semver.org)",
    ],
    [
      "a floor that is no version",
      "fits: { hwRevision: [a, b] }",
      'requires: ">=2"',
      'release.yaml:6:13 (spec.requires): ">=2" is no lowest version\n' +
        '  → write it as in ">=2.0.0"',
    ],
    [
      "a floor that only the release itself reaches",
      "fits: { hwRevision: [a, b] }",
      'requires: ">=1.4.0"',
      "release.yaml:6:13 (spec.requires): 1.4.0 requires 1.4.0, which is not below it\n" +
        "  → name the lowest version from which it can be installed, or leave it out",
    ],
    [
      "a missing artifact",
      "file: motd.txt",
      "file: motd.md",
      'release.yaml:9:27 (spec.artifacts[1].file): the artifact "motd" is missing: there is no ' +
        "file motd.md\n  → paths are relative to the folder of this document",
    ],
    [
      "a step with an artifact of nobody",
      "artifact: motd,",
      "artifact: modt,",
      'release.yaml:12:31 (spec.steps[1].artifact): there is no artifact "modt" in this ' +
        'release\n  → did you mean "motd"?',
    ],
    [
      "a step of an unknown kind",
      "kind: service",
      "kind: servise",
      "release.yaml:14:15 (spec.steps[3].kind): must be one of archive, file, command, service, " +
        'not "servise"\n  → did you mean "service"?',
    ],
    [
      "a misspelt field of a step",
      "to: etc/motd",
      "too: etc/motd",
      "release.yaml:12:7 (spec.steps[1].to): this field is missing\n" +
        'muster: release.yaml:12:37 (spec.steps[1].too): unknown field "too"\n' +
        '  → did you mean "to"?',
    ],
    [
      "a place outside of the slot",
      "to: etc/motd",
      "to: ../motd",
      'release.yaml:12:41 (spec.steps[1].to): "../motd" leaves the slot folder\n' +
        '  → write a relative path without ".."',
    ],
    [
      "an artifact that is there twice",
      "name: motd",
      "name: app",
      'release.yaml:9:15 (spec.artifacts[1].name): the artifact "app" is there twice\n' +
        "muster: release.yaml:12:31 (spec.steps[1].artifact): there is no artifact " +
        '"motd" in this release\n  → there are app',
    ],
    [
      "an archive that is none",
      "file: app.tar.gz",
      "file: motd.txt",
      "FOLDER/motd.txt: the file is not a whole tar or tar.gz archive\n" +
        "  → pack it with `tar -czf`, or place it with a `file` step",
    ],
  ];
  for (const [name, before, after, said] of bad) {
    test(`refuses ${name}, and leaves nothing behind`, async () => {
      await using folder = await tempDir("cli");
      await writeRelease(folder, RELEASE_YAML.replace(before, after));
      const options = { cwd: folder.path };
      const result = await runMuster(["release", "create", "release.yaml"], options);
      assert.equal(result.stderr.replace(folder.path, "FOLDER"), `muster: ${said}\n`);
      assert.equal(result.status, 2);
      const left = (await readdir(folder.path)).toSorted();
      assert.deepEqual(left, ["app.tar.gz", "motd.txt", "release.yaml"]);
    });
  }

  test("never replaces a bundle", async () => {
    await using folder = await tempDir("cli");
    await writeRelease(folder);
    await runMuster(["release", "create", "release.yaml"], { cwd: folder.path });
    const { stderr, status } = await runMuster(["release", "create", "release.yaml"], {
      cwd: folder.path,
    });
    assert.equal(status, 1);
    assert.equal(
      stderr,
      `muster: ${BUNDLE}: the bundle exists already\n` +
        "  → a release never changes: raise its version, or remove the bundle\n",
    );
  });
});

describe("an archive", () => {
  const signal = new AbortController().signal;
  const evil: readonly (readonly [entries: readonly TarEntry[], said: string])[] = [
    [[{ name: "/etc/passwd", content: "x" }], '"/etc/passwd" has an absolute path'],
    [[{ name: "a/../../b", content: "x" }], '"a/../../b" leaves its folder by ".."'],
    [[{ name: "link", type: "symlink", linkname: "/etc" }], '"link" links to an absolute path'],
    [
      [{ name: "a/link", type: "symlink", linkname: "../.." }],
      '"a/link" links out of its folder (../..)',
    ],
    [
      [{ name: "link", type: "symlink", linkname: "a/../b" }],
      '"link" links out of its folder (a/../b)',
    ],
    [
      [
        { name: "link", type: "symlink", linkname: "a" },
        { name: "link/file", content: "x" },
      ],
      '"link/file" lies below the link link',
    ],
    [[{ name: "hard", type: "link", linkname: "../x" }], '"../x" leaves its folder by ".."'],
    [[{ name: "pipe", type: "fifo" }], '"pipe" is a fifo, not a file, folder or link'],
    [[{ name: "su", mode: 0o4755, content: "x" }], '"su" has a setuid or setgid bit'],
  ];
  for (const [entries, said] of evil) {
    test(`is refused where ${said}`, async () => {
      await using folder = await tempDir("cli");
      const file = folder.join("evil.tar");
      await writeFile(file, await tarOf(entries, { gzip: false }));
      await assert.rejects(measureArchive(file, signal), (error) => {
        assert(isMusterError(error));
        assert.equal(error.message, `the archive's entry ${said}`);
        return true;
      });
    });
  }

  test("is measured by what comes out, compressed or not", async () => {
    await using folder = await tempDir("cli");
    const entries = [
      { name: "a", content: "x".repeat(1_000) },
      { name: "b", content: "y" },
    ];
    for (const gzip of [true, false]) {
      const file = folder.join(`measured-${gzip}`);
      await writeFile(file, await tarOf(entries, { gzip }));
      const facts = await measureArchive(file, signal);
      assert.deepEqual(facts, { unpackedBytes: 1_001, entryCount: 2 });
    }
  });

  test("that is cut off or expands like a bomb is refused", async () => {
    await using folder = await tempDir("cli");
    const bomb = [{ name: "zeros", content: "\0".repeat(80 * 2 ** 20) }];
    const bytes = await tarOf(bomb, { gzip: true });
    await writeFile(folder.join("bomb.tgz"), bytes);
    await assert.rejects(measureArchive(folder.join("bomb.tgz"), signal), (error) => {
      assert(isMusterError(error));
      assert.match(describeError(error), /devices refuse that as a decompression bomb/);
      return true;
    });
    await writeFile(folder.join("cut.tgz"), bytes.subarray(0, bytes.length / 2));
    await assert.rejects(measureArchive(folder.join("cut.tgz"), signal), /not a whole tar/);
  });
});

describe("a bundle", () => {
  /** A bundle, a center that trusts the key in `targets.key.pem`, and options to reach it. */
  async function prepare(
    folder: Awaited<ReturnType<typeof tempDir>>,
    answers: Parameters<typeof startFakeCenter>[0] = {},
  ): Promise<{ center: FakeCenter; options: MusterOptions }> {
    await writeRelease(folder);
    const trust = createTrust(Date.now());
    await writeFile(folder.join("targets.key.pem"), trust.keyPem, { mode: 0o600 });
    await writeFile(folder.join("root.json"), trust.root);
    const center = await startFakeCenter({
      getTrust: () => ({ root: trust.root, targets: trust.targets, targetsVersion: 1 }),
      ...answers,
    });
    const options = { cwd: folder.path, environment: center.environment };
    await runMuster(["release", "create", "release.yaml"], options);
    return { center, options };
  }

  const SIGN = ["release", "sign", BUNDLE, "--key", "targets.key.pem"];

  test("that is signed verifies without the center", async () => {
    await using folder = await tempDir("cli");
    const { center, options } = await prepare(folder);
    await using _center = center;
    const signed = await runMuster(SIGN, options);
    assert.deepEqual(signed, {
      status: 0,
      stdout: "releases/default/shop/1.4.0.json is signed (targets version 2)\n",
      stderr: "",
    });
    const words = ["release", "verify", BUNDLE, "--root", "root.json", "-o", "json"];
    const verified = await runMuster(words, { cwd: folder.path });
    const facts = JSON.parse(verified.stdout) as { ok: boolean; targetsVersion: number };
    assert.deepEqual([facts.ok, facts.targetsVersion], [true, 2]);
  });

  test("that was changed after it was signed does not verify", async () => {
    await using folder = await tempDir("cli");
    const { center, options } = await prepare(folder);
    await using _center = center;
    await runMuster(SIGN, options);
    const manifestFile = folder.join(BUNDLE, "manifest.json");
    const manifest = await readFile(manifestFile, "utf8");
    await writeFile(manifestFile, manifest.replace('"attempts":5', '"attempts":6'));
    const words = ["release", "verify", BUNDLE, "--root", "root.json"];
    const changed = await runMuster(words, options);
    assert.equal(changed.status, 1);
    assert.match(changed.stderr, /the signature lists releases\/\S+ with another content/);

    await writeFile(manifestFile, manifest);
    const [artifact = ""] = await readdir(folder.join(BUNDLE, "artifacts"));
    await writeFile(folder.join(BUNDLE, "artifacts", artifact), "something else");
    const other = await runMuster(words, options);
    assert.match(other.stderr, /is not the one that the manifest names: it has 14 bytes/);
  });

  test("is not signed with a key that the center does not trust", async () => {
    await using folder = await tempDir("cli");
    const { center, options } = await prepare(folder);
    await using _center = center;
    await writeFile(folder.join("targets.key.pem"), generateEd25519Pem());
    const { stderr, status } = await runMuster(SIGN, options);
    assert.equal(status, 1);
    assert.equal(
      stderr,
      "muster: targets.key.pem: this key is not the one that the center's root names for " +
        "releases\n  → use targets.key.pem from the operator folder of the center\n",
    );
    await assert.rejects(stat(folder.join(BUNDLE, "targets.json")));
  });

  test("that is not signed is not sent", async () => {
    await using folder = await tempDir("cli");
    const { center, options } = await prepare(folder);
    await using _center = center;
    const { stderr, status } = await runMuster(["apply", "-f", BUNDLE], options);
    assert.equal(status, 1);
    assert.equal(
      stderr,
      `muster: ${BUNDLE}: the bundle is not signed\n` +
        `  → sign it: muster release sign ${BUNDLE} --key targets.key.pem\n`,
    );
  });

  test("is sent artifact by artifact, then published as it was signed", async () => {
    await using folder = await tempDir("cli");
    const uploads = new Map<string, Buffer>();
    const published: PublishReleaseRequest[] = [];
    const { center, options } = await prepare(folder, {
      uploadArtifact: async (messages) => {
        let sha256 = "";
        const chunks: Uint8Array[] = [];
        for await (const { kind } of messages) {
          if (kind.case === "header") sha256 = kind.value.sha256;
          else if (kind.case === "data") chunks.push(kind.value);
        }
        uploads.set(sha256, Buffer.concat(chunks));
        return { alreadyThere: false };
      },
      publishRelease: (request) => {
        published.push(request);
        return { created: true };
      },
    });
    await using _center = center;
    await runMuster(SIGN, options);
    const result = await runMuster(["apply", "-f", BUNDLE, "-o", "json"], options);
    assert.deepEqual(JSON.parse(result.stdout), [
      { kind: "release", name: "shop@1.4.0", tenant: "default", result: "created" },
    ]);
    assert.match(result.stderr, /^upload motd: 8 B\/8 B \(100 %\)$/m);
    assert.equal(uploads.size, 2);
    for (const [sha256, bytes] of uploads) {
      assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
    }
    const manifest = await readFile(folder.join(BUNDLE, "manifest.json"));
    assert.deepEqual(Buffer.from(published[0]?.manifest ?? []), manifest);
  });

  test("that was signed before another release says to sign it again", async () => {
    await using folder = await tempDir("cli");
    const { center, options } = await prepare(folder, {
      uploadArtifact: async (messages) => {
        for await (const _message of messages);
        return { alreadyThere: true };
      },
      publishRelease: () => {
        throw refusal({ code: "conflict", message: "targets version 2 is taken" });
      },
    });
    await using _center = center;
    await runMuster(SIGN, options);
    const { stderr, status } = await runMuster(["apply", "-f", BUNDLE], options);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /moved on since this bundle was signed\n {2}→ sign it again: muster release sign/,
    );
  });
});
