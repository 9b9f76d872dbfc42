// SPDX-License-Identifier: Apache-2.0
// From a configuration document to a published release of slot config; what is refused on the way.
import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import type { ReleaseManifest } from "../../../protocol/device/release-manifest.ts";
import type { PublishReleaseRequest } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { startFakeCenter } from "./fake-center.ts";
import { createTrust } from "./release-fixture.ts";
import { runMuster } from "./run-muster.ts";

const HEAD = `apiVersion: muster/v1
kind: Configuration
metadata: { name: till-settings, version: 1.2.0 }
spec:
`;
const INLINE = `${HEAD}  document:
    currency: EUR
    printer: { paper: 80 }
`;
const SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  required: ["currency"],
  additionalProperties: false,
  properties: {
    currency: { enum: ["EUR", "USD"] },
    printer: { type: "object", properties: { paper: { type: "integer", minimum: 58 } } },
  },
};

/** Runs `muster apply --dry-run` on the document, with these files beside it. */
async function check(
  document: string,
  files: { readonly [name: string]: string } = {},
): Promise<string> {
  await using folder = await tempDir("cli");
  await writeFile(folder.join("configuration.yaml"), document);
  for (const [name, text] of Object.entries(files)) await writeFile(folder.join(name), text);
  const words = ["apply", "-f", "configuration.yaml", "--dry-run"];
  const { status, stderr } = await runMuster(words, { cwd: folder.path });
  return status === 0 ? "checked" : stderr;
}

const withSchema = (more: string): string => `${INLINE}  schema: ${more}\n`;
const schema = JSON.stringify(SCHEMA);

const BAD: readonly (readonly [
  name: string,
  document: string,
  files: { readonly [name: string]: string },
  said: RegExp,
])[] = [
  ["no content", `${HEAD}  to: a.json\n`, {}, /:4:1 \(spec\.document\): this field is missing/],
  [
    "two contents",
    `${INLINE}  file: settings.json\n`,
    { "settings.json": "{}" },
    /:8:9 \(spec\.file\): stands beside a document; a configuration has one content/,
  ],
  [
    "a file that is not there",
    `${HEAD}  file: settings.json\n`,
    {},
    /^muster: settings\.json: .*(?:no such file|there is no)/,
  ],
  [
    "a file that is not JSON",
    `${HEAD}  file: settings.json\n`,
    { "settings.json": '{ "a": 1,\n  b: 2 }' },
    /^muster: settings\.json:2:3: the configuration is not JSON: /,
  ],
  [
    "a file that is not YAML",
    `${HEAD}  file: settings.yaml\n`,
    { "settings.yaml": "a: [1\n" },
    /^muster: settings\.yaml:2:1: YAML syntax: /,
  ],
  [
    "a file of another kind",
    `${HEAD}  file: settings.toml\n`,
    { "settings.toml": "a = 1" },
    /\(spec\.file\): "settings\.toml" is neither JSON nor YAML by its name\n {2}→ name it \*\.json/,
  ],
  [
    "two documents in a file",
    `${HEAD}  file: settings.yaml\n`,
    { "settings.yaml": "a: 1\n---\nb: 2\n" },
    /^muster: settings\.yaml: the file holds 2 documents; a configuration is one/,
  ],
  [
    "a file that is too large",
    `${HEAD}  file: settings.json\n`,
    { "settings.json": JSON.stringify("x".repeat(1_048_576)) },
    /^muster: settings\.json: .*(?:1048576|1\.0 MiB|1,048,576)/,
  ],
  ["a number that JSON cannot say", `${HEAD}  document: { a: .inf }\n`, {}, /that JSON cannot say/],
  [
    "what the schema does not have",
    withSchema("s.json").replace("paper: 80", "paper: wide, colour: x").replace("EUR", "GBP"),
    { "s.json": schema },
    new RegExp(
      String.raw`:6:15 \(spec\.document\.currency\): must be one of "EUR", "USD" \(s\.json\)\n.*` +
        String.raw`:7:23 \(spec\.document\.printer\.paper\): must be integer \(s\.json\)`,
    ),
  ],
  [
    "what the schema wants and is missing",
    withSchema("s.json").replace("    currency: EUR\n", ""),
    { "s.json": schema },
    /\(spec\.document\): the field "currency" is missing \(s\.json\)/,
  ],
  [
    "what does not hold in a file",
    `${HEAD}  file: settings.json\n  schema: s.json\n`,
    {
      "s.json": schema,
      "settings.json": '{\n  "currency": "EUR",\n  "printer": { "paper": 12 }\n}',
    },
    /^muster: settings\.json:3:25 \(printer\.paper\): must be >= 58 \(s\.json\)/,
  ],
  [
    "a schema that is none",
    withSchema("s.json"),
    { "s.json": '{ "tpye": "object" }' },
    /^muster: s\.json: this is no JSON Schema that can be used: .*unknown keyword: "tpye"/,
  ],
  [
    "a schema in another file",
    withSchema("s.json"),
    { "s.json": '{ "$ref": "https://example.org/s.json" }' },
    /^muster: s\.json: this is no JSON Schema that can be used: can't resolve reference/,
  ],
  [
    "a place outside",
    `${INLINE}  to: ../a\n`,
    {},
    /\(spec\.to\): "\.\.\/a" leaves the slot folder/,
  ],
  [
    "a misspelt field",
    `${INLINE}  shema: a\n`,
    {},
    /unknown field "shema"\n {2}→ did you mean "schema"/,
  ],
];

describe("a configuration that is wrong", () => {
  for (const [name, document, files, said] of BAD) {
    test(`${name}: is told in a sentence`, async () => {
      const stderr = await check(document, files);
      assert.match(stderr, said);
      assert(!stderr.includes("    at "), "no stack trace");
    });
  }
});

describe("a configuration", () => {
  test("that holds to its schema is checked, of draft 7, too", async () => {
    assert.equal(await check(withSchema("s.json"), { "s.json": schema }), "checked");
    const older = { ...SCHEMA, $schema: "http://json-schema.org/draft-07/schema#" };
    const files = { "s.json": JSON.stringify(older) };
    assert.equal(await check(withSchema("s.json"), files), "checked");
  });

  test("is made into a release of slot config, the file as it is", async () => {
    await using folder = await tempDir("cli");
    const text = "# for the tills\ncurrency: EUR\n";
    await writeFile(folder.join("settings.yaml"), text);
    const document =
      `${HEAD}  file: settings.yaml\n  check: { run: [shop, check], timeout: 5s }\n` +
      "  restart: [shop]\n  healthCheck: { run: [shop, status] }\n  fits: { hwRevision: [a] }\n";
    await writeFile(folder.join("configuration.yaml"), document);
    const words = ["release", "create", "configuration.yaml"];
    const made = await runMuster(words, { cwd: folder.path });
    const bundle = "till-settings-1.2.0.muster";
    assert.deepEqual(made, { status: 0, stdout: `${bundle}\n`, stderr: "" });
    const manifest = JSON.parse(
      await readFile(folder.join(bundle, "manifest.json"), "utf8"),
    ) as ReleaseManifest;
    assert.equal(manifest.slot, "config");
    assert.deepEqual(manifest.fits, { hwRevision: ["a"] });
    assert.deepEqual(manifest.steps, [
      { kind: "file", artifact: "configuration", to: "settings.yaml" },
      { kind: "command", run: ["shop", "check"], timeoutMs: 5_000 },
      { kind: "service", restart: "shop" },
    ]);
    assert.deepEqual(manifest.healthCheck?.run, ["shop", "status"]);
    const [artifact = ""] = await readdir(folder.join(bundle, "artifacts"));
    assert.equal(await readFile(folder.join(bundle, "artifacts", artifact), "utf8"), text);
  });

  test("is signed with the key that is named and published; without one not sent", async () => {
    await using folder = await tempDir("cli");
    await writeFile(folder.join("configuration.yaml"), INLINE);
    const trust = createTrust(Date.now());
    await writeFile(folder.join("targets.key.pem"), trust.keyPem, { mode: 0o600 });
    const uploads: string[] = [];
    const published: PublishReleaseRequest[] = [];
    await using center = await startFakeCenter({
      getTrust: () => ({ root: trust.root, targets: trust.targets, targetsVersion: 1 }),
      uploadArtifact: async (messages) => {
        const parts: Uint8Array[] = [];
        for await (const { kind } of messages) if (kind.case === "data") parts.push(kind.value);
        uploads.push(Buffer.concat(parts).toString());
        return { alreadyThere: false };
      },
      publishRelease: (request) => {
        published.push(request);
        return { created: true };
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["apply", "-f", "configuration.yaml"];
    const refused = await runMuster(words, options);
    assert.equal(refused.status, 2);
    assert.match(
      refused.stderr,
      /^muster: configuration\.yaml: configuration \S+ is not signed, .*\n {2}→ add --key/,
    );
    const sent = await runMuster([...words, "--key", "targets.key.pem", "-o", "json"], options);
    assert.equal(sent.status, 0, sent.stderr);
    const result = { kind: "configuration", name: "till-settings@1.2.0", tenant: "default" };
    assert.deepEqual(JSON.parse(sent.stdout), [{ ...result, result: "created" }]);
    assert.deepEqual(
      uploads.map((text) => JSON.parse(text) as unknown),
      [{ currency: "EUR", printer: { paper: 80 } }],
    );
    const [request] = published;
    assert(request !== undefined);
    const manifest = JSON.parse(Buffer.from(request.manifest).toString()) as ReleaseManifest;
    assert.deepEqual([manifest.name, manifest.slot], ["till-settings", "config"]);
    assert(request.targets.length > 0, "with the operator's signature");
  });
});
