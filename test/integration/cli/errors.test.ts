// SPDX-License-Identifier: Apache-2.0
// What a person reads when something is wrong: whole messages, exit status, nothing on stdout.
import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { tempDir, type TempDir } from "../../helpers/temp-dir.ts";
import { refusal, sampleRollout, startFakeCenter } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

/** A port that nothing listens on: below 1024 and of no service. */
const CLOSED = "http://127.0.0.1:9";

interface Case {
  readonly name: string;
  readonly words: readonly string[];
  readonly status: 1 | 2;
  readonly message: string;
  readonly files?: { readonly [name: string]: string };
  readonly environment?: { readonly [name: string]: string };
}

const OFFLINE: readonly Case[] = [
  {
    name: "an unknown command",
    words: ["rolout", "plan"],
    status: 2,
    message: "muster: unknown command 'rolout' (Did you mean rollout?)\n  → see: muster --help\n",
  },
  {
    name: "an unknown subcommand",
    words: ["rollout", "stert"],
    status: 2,
    message:
      "muster: unknown command 'stert' (Did you mean start?)\n  → see: muster rollout --help\n",
  },
  {
    name: "an unknown option",
    words: ["get", "devices", "--selektor", "x"],
    status: 2,
    message:
      "muster: unknown option '--selektor' (Did you mean --selector?)\n" +
      "  → see: muster get devices --help\n",
  },
  {
    name: "a missing argument",
    words: ["rollout", "start"],
    status: 2,
    message: "muster: missing required argument 'name'\n  → see: muster rollout start --help\n",
  },
  {
    name: "a missing option",
    words: ["apply"],
    status: 2,
    message:
      "muster: required option '-f, --file <file...>' not specified\n" +
      "  → see: muster apply --help\n",
  },
  {
    name: "a rehearsal of nothing",
    words: ["rehearse"],
    status: 2,
    message: "muster: cannot rehearse: name a rollout or give a file, and not both\n",
  },
  {
    name: "a rehearsal that breaks more than everybody",
    words: ["rehearse", "shop-1.4", "--breaks", "120%"],
    status: 2,
    message:
      "muster: option '--breaks <percent...>' argument '120%' is invalid. " +
      "Give a percentage, 0 to 100.\n  → see: muster rehearse --help\n",
  },
  {
    name: "an unknown output format",
    words: ["version", "-o", "xml"],
    status: 2,
    message:
      "muster: option '-o, --output <format>' argument 'xml' is invalid. " +
      "Allowed choices are table, json, yaml.\n  → see: muster version --help\n",
  },
  {
    name: "a duration without a unit",
    words: ["device", "enroll", "x", "--lifetime", "30"],
    status: 2,
    message:
      "muster: option '--lifetime <duration>' argument '30' is invalid. " +
      '"30" is not a duration like 500ms, 30s, 5m, 2h or 14d\n' +
      "  → see: muster device enroll --help\n",
  },
  {
    name: "a selector that is none, with a mark under the mistake",
    words: ["get", "devices", "-l", "region = eu adn x"],
    status: 2,
    message:
      'muster: --selector: selector, column 13: unexpected "adn"\n' +
      "    region = eu adn x\n                ^\n" +
      '  → join conditions with "and" or "or"\n',
  },
  {
    name: "a server that is no address",
    words: ["get", "rollouts", "--server", "center:7070"],
    status: 2,
    message:
      'muster: --server: "center:7070" is not an address like http://127.0.0.1:7070 or ' +
      "https://center:7070\n",
  },
  {
    name: "a plain connection to another machine",
    words: ["get", "rollouts", "--server", "http://center:7070"],
    status: 2,
    message:
      'muster: --server: "http://center:7070" is not on this machine, so it must be https: ' +
      "a token would be readable\n",
  },
  {
    name: "a tenant that is none",
    words: ["get", "rollouts", "--tenant", "My Shop"],
    status: 2,
    message: 'muster: --tenant: tenant "My Shop" is not 1–63 characters of a–z 0–9 -\n',
  },
  {
    name: "no token",
    words: ["get", "rollouts"],
    status: 1,
    message:
      "muster: no operator token is known for http://127.0.0.1:7070\n" +
      "  → log in: muster login http://127.0.0.1:7070 --token-file FILE\n",
  },
  {
    name: "no center",
    words: ["get", "rollouts"],
    environment: { MUSTER_SERVER: CLOSED, MUSTER_TOKEN: "x" },
    status: 1,
    message:
      `muster: cannot reach the center at ${CLOSED}: nothing answers there\n` +
      "  → start it with `muster center`, or name another with --server\n",
  },
  {
    name: "a file that is not there",
    words: ["apply", "-f", "nowhere.yaml"],
    status: 1,
    message: "muster: nowhere.yaml: reading the document failed: there is no such file\n",
  },
  {
    name: "a folder with nothing to apply",
    words: ["apply", "-f", "."],
    status: 2,
    message:
      "muster: there is nothing to apply in .\n" +
      "  → name YAML files (*.yaml, *.yml), signed release bundles, or folders of them\n",
  },
  {
    name: "two files with faults, both named",
    words: ["apply", "-f", "a.yaml", "-f", "b.yaml"],
    files: { "a.yaml": "kind: Rolout\n", "b.yaml": "- 1\n" },
    status: 2,
    message:
      'muster: a.yaml:1:7 (kind): unknown kind "Rolout"\n  → did you mean "Rollout"?\n' +
      "muster: b.yaml:1:1: must be a mapping of fields, not a list\n",
  },
  {
    name: "a saved login that is damaged",
    words: ["get", "rollouts"],
    files: { "context.json": "{}" },
    environment: { MUSTER_CONFIG: "context.json" },
    status: 2,
    message:
      "muster: context.json: the saved login is not readable as JSON with server, token, caPem " +
      "and tenant\n  → run `muster login` again; it replaces the file\n",
  },
  {
    name: "a token file with more than a token",
    words: ["get", "rollouts", "--token-file", "token"],
    files: { token: "one\ntwo\n" },
    status: 2,
    message: "muster: token: the file does not hold one operator token\n",
  },
  {
    name: "an authority that is no certificate",
    words: ["get", "rollouts", "--ca-file", "ca.pem"],
    files: { "ca.pem": "hello" },
    status: 2,
    message: "muster: ca.pem: the file holds no PEM certificate\n",
  },
  {
    name: "a gateway id that is none",
    words: ["gateway", "enroll", "GW 1", "--region", "eu", "--host", "x"],
    status: 2,
    message:
      'muster: <id>: gateway id "GW 1" is not 1–63 characters of a–z 0–9 . _ - starting and ' +
      "ending with a letter or digit\n",
  },
];

async function writeFiles(folder: TempDir, files: Case["files"] = {}): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await writeFile(folder.join(name), text, { mode: 0o600 });
  }
}

describe("a mistake", () => {
  for (const { name, words, status, message, files, environment } of OFFLINE) {
    test(`${name}: is told in a sentence`, async () => {
      await using folder = await tempDir("cli");
      await writeFiles(folder, files);
      const options = { cwd: folder.path, ...(environment === undefined ? {} : { environment }) };
      const result = await runMuster(words, options);
      assert.deepEqual(result, { status, stdout: "", stderr: message });
    });
  }

  test("a token in the data folder of a center on this machine is pointed to", async () => {
    await using folder = await tempDir("cli");
    const operator = folder.join("muster", "center", "operator");
    const { mkdir } = await import("node:fs/promises");
    await mkdir(operator, { recursive: true });
    await writeFile(`${operator}/token`, "x");
    const environment = { XDG_DATA_HOME: folder.path };
    const { stderr } = await runMuster(["get", "rollouts"], { cwd: folder.path, environment });
    assert.equal(
      stderr,
      "muster: no operator token is known for http://127.0.0.1:7070\n" +
        `  → log in: muster login http://127.0.0.1:7070 --token-file ${operator}/token\n`,
    );
  });

  test("a saved login that others can read is warned of", async () => {
    await using folder = await tempDir("cli");
    const context = { server: CLOSED, token: "x", caPem: null, tenant: "default" };
    await writeFile(folder.join("context.json"), JSON.stringify(context));
    await chmod(folder.join("context.json"), 0o644);
    const environment = { MUSTER_CONFIG: "context.json" };
    const { stderr } = await runMuster(["get", "rollouts"], { cwd: folder.path, environment });
    assert.match(stderr, /^warning: others can read context\.json; run: chmod 600 context\.json\n/);
  });
});

describe("the center's refusal", () => {
  test("keeps its sentence, hint and exit status", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      startRollout: () => {
        throw refusal({
          code: "failed_precondition",
          message: "rollout shop-1.4 has no plan",
          hint: "muster rollout plan shop-1.4",
        });
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const result = await runMuster(["rollout", "start", "shop-1.4"], options);
    assert.deepEqual(result, {
      status: 1,
      stdout: "",
      stderr: "muster: rollout shop-1.4 has no plan\n  → muster rollout plan shop-1.4\n",
    });
  });

  test("of a document is pointed to its line, and what went before is still listed", async () => {
    await using folder = await tempDir("cli");
    const yaml = (name: string): string =>
      "apiVersion: muster/v1\nkind: Rollout\n" +
      `metadata: { name: ${name} }\nspec:\n  release: shop@9.9.9\n  selector: ""\n`;
    await writeFile(folder.join("two.yaml"), `${yaml("first")}---\n${yaml("second")}`);
    await using center = await startFakeCenter({
      applyRollout: ({ name }) => {
        if (name === "first") return { rollout: sampleRollout(), created: true };
        throw refusal({
          code: "not_found",
          message: "there is no release shop@9.9.9",
          field: "spec.release",
        });
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const result = await runMuster(["apply", "-f", "two.yaml"], options);
    assert.deepEqual(result, {
      status: 1,
      stdout: "KIND     NAME   RESULT\nrollout  first  created\n",
      stderr: "muster: two.yaml:12:12 (spec.release): there is no release shop@9.9.9\n",
    });
  });

  test("of a token names the code's exit status", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({});
    const environment = { ...center.environment, MUSTER_TOKEN: "wrong" };
    const result = await runMuster(["get", "rollouts"], { cwd: folder.path, environment });
    assert.deepEqual(result, { status: 1, stdout: "", stderr: "muster: the token is not known\n" });
  });

  test("without details, as from a proxy, is passed on without a stack trace", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      listGateways: () => {
        throw new Error("secret of the server");
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stderr, status } = await runMuster(["get", "gateways"], options);
    assert.equal(status, 1);
    assert.equal(stderr, `muster: the center at ${center.url} refused: internal error\n`);
    const environment = { ...center.environment, MUSTER_DEBUG: "1" };
    const debug = await runMuster(["get", "gateways"], { cwd: folder.path, environment });
    assert.match(debug.stderr, /\n\s+at .*client-errors/);
  });
});
