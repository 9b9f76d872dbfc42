// SPDX-License-Identifier: Apache-2.0
/**
 * What pages tell a reader to type is what the program takes: every command line is read by the
 * real tree of commands, every document by the real parser, every script of npm is there.
 */
import assert from "node:assert/strict";
import { createReadStream, globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { readSpec } from "../../center/api/rollout-spec.ts";
import { checkDocument } from "../../cli/documents/document-errors.ts";
import { readDeviceCsv, type CsvRow } from "../../cli/documents/device-csv.ts";
import { readConfiguration } from "../../cli/configuration/configuration-content.ts";
import { loadText } from "../../cli/documents/load-documents.ts";
import { releaseDocumentSchema } from "../../cli/documents/release-document.ts";
import { toRolloutSpec } from "../../cli/documents/rollout-document.ts";
import { parseYaml } from "../../cli/documents/yaml-source.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { DEFAULT_SPEC } from "../../domain/rollout.ts";
import { formatAmount, formatDuration, parseDurationMs } from "../../domain/units.ts";
import { RolloutSpecSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { pageItems } from "../helpers/page-items.ts";
import { commandLines } from "./docs/command-lines.ts";
import { createParser } from "./docs/parse-command.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGES = globSync(
  ["README.md", "docs/README.md", "docs/{guides,tutorial,concepts}/*.md", "examples/*.md"],
  { cwd: ROOT },
).toSorted();

async function readRoot(path: string): Promise<string> {
  return readFile(join(ROOT, path), "utf8");
}

/** Throws everything that is wrong with a document of any kind. */
function checkYaml(text: string, file: string): void {
  for (const source of parseYaml(text, file)) {
    const { kind } = source.value as { kind?: unknown };
    if (kind !== "Release") continue;
    const checked = checkDocument(source, releaseDocumentSchema);
    if ("errors" in checked) assert.fail(checked.errors.map(({ message }) => message).join("; "));
    return;
  }
  loadText(text, file);
}

/** A part of a rollout's `spec`, as guides show it, in a whole document. */
function asDocument(text: string): string {
  if (!text.startsWith("spec:")) return text;
  const head = "apiVersion: muster/v1\nkind: Rollout\nmetadata: { name: part }\n";
  return `${head}${text}  release: shop@1.4.0\n  selector: ""\n`;
}

/** `24h` and `1d` are one duration. */
function shortest(value: string): string {
  return /^\d+[smhd]$/.test(value) ? formatDuration(parseDurationMs(value, "")) : value;
}

describe("pages", () => {
  it("are found where they are", () => {
    for (const page of ["README.md", "docs/tutorial/README.md", "docs/guides/rollouts.md"]) {
      assert.ok(PAGES.includes(page), page);
    }
  });

  for (const path of PAGES) {
    it(`${path}: every command is one of muster's`, async () => {
      const parse = await createParser();
      const page = await readRoot(path);
      for (const { line, words, isWhole } of commandLines(page, "muster")) {
        const problem = await parse(words.slice(1), isWhole);
        assert.equal(problem, null, `${path}:${line}: ${words.join(" ")}`);
        const selector = words[words.indexOf("-l") + 1];
        if (words.includes("-l")) parseSelector(selector ?? "");
      }
    });

    it(`${path}: every document is accepted`, async () => {
      for (const item of pageItems(await readRoot(path))) {
        if (item.kind !== "block" || item.language !== "yaml") continue;
        checkYaml(asDocument(item.text), `${path}, block at line ${item.line}`);
      }
    });

    it(`${path}: every script of npm is there`, async () => {
      const manifest = JSON.parse(await readRoot("package.json")) as { scripts: object };
      const known = Object.keys(manifest.scripts);
      for (const { line, words } of commandLines(await readRoot(path), "npm")) {
        const [first, second] = words.slice(1).filter((word) => !word.startsWith("-"));
        const script = first === "run" ? second : first === "test" ? "test" : undefined;
        if (script !== undefined) assert.ok(known.includes(script), `${path}:${line}: ${script}`);
      }
    });
  }
});

describe("a page that is wrong", () => {
  const wrong = [
    ["rollout", "halt", "shop-1"],
    ["rollout", "stop", "shop-1", "--why", "x"],
    ["rollout", "stop"],
    ["gateway", "enroll", "gw-1", "--host", "localhost"],
    ["center", "--api-port", "many"],
  ];
  for (const words of wrong) {
    it(`is found out: muster ${words.join(" ")}`, async () => {
      const parse = await createParser();
      assert.notEqual(await parse(words, true), null);
    });
  }

  it("may name a command in prose without all that it needs, but no other one", async () => {
    const parse = await createParser();
    assert.equal(await parse(["rollout", "stop"], false), null);
    assert.equal(await parse(["rollout"], false), null);
    assert.notEqual(await parse(["rollout", "halt"], false), null);
    assert.notEqual(await parse(["rollout", "stop", "--why", "x"], false), null);
  });

  it("is found out by its document", () => {
    assert.throws(() => checkYaml(asDocument("spec:\n  wave: 1\n"), "page"));
    assert.throws(() => checkYaml("apiVersion: muster/v1\nkind: Release\n", "page"));
  });
});

describe("the examples", () => {
  it("are accepted: a release, and a rollout of it", async () => {
    const text = await readRoot("examples/release.yaml");
    checkYaml(text, "release.yaml");
    const [source] = parseYaml(text, "release.yaml");
    assert.ok(source !== undefined);
    const { metadata } = source.value as { metadata: { name: string; version: string } };
    const page = "examples/configuration.yaml";
    const [written] = loadText(await readRoot(page), page);
    assert.ok(written?.kind === "configuration", page);
    const { content, document } = await readConfiguration(written);
    assert.equal(content.to, "settings.json");
    const configuration = `${document.metadata.name}@${document.metadata.version}`;
    for (const file of globSync("examples/rollout*.yaml", { cwd: ROOT })) {
      const [loaded] = loadText(await readRoot(file), file);
      assert.ok(loaded?.kind === "rollout", file);
      const spec = create(RolloutSpecSchema, toRolloutSpec(loaded.document));
      const { release, command, isConfiguration } = readSpec(spec);
      if (isConfiguration) assert.equal(release, configuration);
      else if (command === null) assert.equal(release, `${metadata.name}@${metadata.version}`);
    }
  });

  it("say the defaults that there are", async () => {
    const { maxInFlight, blastRadius, gate, soakMs, deadlines } = DEFAULT_SPEC;
    const defaults: { readonly [field: string]: string } = {
      maxInFlight: formatAmount(maxInFlight),
      blastRadius: formatAmount(blastRadius),
      maxFailures: formatAmount(gate.maxFailures),
      maxFailureRate: "maxFailures",
      falseAlarmRate: `${gate.falseAlarmPercent}%`,
      minSuccess: `${gate.minSuccessPercent}%`,
      minSample: String(gate.minSample),
      soak: formatDuration(soakMs),
      reach: formatDuration(deadlines.reachMs),
      download: formatDuration(deadlines.downloadMs),
      waiting: formatDuration(deadlines.waitingMs),
      install: formatDuration(deadlines.installMs),
      verify: formatDuration(deadlines.verifyMs),
      offlineGrace: formatDuration(deadlines.offlineGraceMs),
      onStop: DEFAULT_SPEC.onStop,
      strategy: DEFAULT_SPEC.strategy.kind,
      order: DEFAULT_SPEC.order,
    };
    const said: { [field: string]: string } = {};
    for (const line of (await readRoot("examples/rollout.yaml")).split("\n")) {
      const match = /^ +(\w+): (\S+) # (?:.*Default: ([\w.%]+)|.*[Tt]he default)/.exec(line);
      if (match !== null) said[match[1] ?? ""] = shortest(match[3] ?? match[2] ?? "");
    }
    assert.deepEqual(said, defaults);
  });

  it("are accepted: devices, every row", async () => {
    const file = join(ROOT, "examples/devices.csv");
    const rows: CsvRow[] = [];
    for await (const row of readDeviceCsv(createReadStream(file), file)) rows.push(row);
    assert.deepEqual(
      rows.filter((row) => "error" in row),
      [],
    );
    assert.ok(rows.length > 1, "it has devices");
  });
});
