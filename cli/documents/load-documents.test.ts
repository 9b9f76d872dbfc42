// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { describe, test } from "node:test";
import { describeError, type MusterError } from "../../domain/errors.ts";
import { SeveralErrors } from "../print-error.ts";
import { OnStop, RolloutSpecSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { loadText } from "./load-documents.ts";
import { toRolloutSpec } from "./rollout-document.ts";

/** A good document; a test replaces a line of it. */
const GOOD = `apiVersion: muster/v1
kind: Rollout
metadata:
  name: shop-1.4
spec:
  release: shop@1.4.0
  selector: region = eu
  waves: [1, "10%", rest]
  maxInFlight: 50
  gate:
    maxFailures: 3
    minSuccess: 95%
  soak: 30s
  onStop: rollback
`;

/** What the person reads. */
function complaint(text: string): string {
  try {
    loadText(text, "rollout.yaml");
  } catch (error) {
    const errors = error instanceof SeveralErrors ? error.errors : [error as MusterError];
    return errors.map(describeError).join("\n");
  }
  return "nothing";
}

function withLine(before: string, after: string): string {
  assert(GOOD.includes(before), `${before} is in the document`);
  return GOOD.replace(before, after);
}

const BAD: readonly (readonly [name: string, text: string, message: string | RegExp])[] = [
  [
    "a YAML syntax error",
    "kind: [Rollout\nspec: {}\n",
    "rollout.yaml:2:1: YAML syntax: Flow sequence in block collection must be sufficiently " +
      "indented and end with a ]",
  ],
  [
    "a tab as indentation",
    "kind: Rollout\nspec:\n\trelease: a@1.0.0\n",
    "rollout.yaml:3:1: YAML syntax: Tabs are not allowed as indentation",
  ],
  [
    "a key that is there twice",
    withLine("  soak: 30s", "  soak: 30s\n  soak: 40s"),
    "rollout.yaml:14:3: YAML syntax: Map keys must be unique",
  ],
  ["no kind", "apiVersion: muster/v1\n", "rollout.yaml:1:1 (kind): this field is missing"],
  [
    "an unknown kind",
    withLine("kind: Rollout", "kind: Rolout"),
    'rollout.yaml:2:7 (kind): unknown kind "Rolout"\n  → did you mean "Rollout"?',
  ],
  [
    "a release document",
    withLine("kind: Rollout", "kind: Release"),
    'rollout.yaml:2:7 (kind): unknown kind "Release"\n' +
      "  → make a bundle of it first: muster release create, then muster release sign",
  ],
  [
    "another apiVersion",
    withLine("muster/v1", "muster/v2"),
    'rollout.yaml:1:13 (apiVersion): must be muster/v1, not "muster/v2"',
  ],
  [
    "a misspelt field",
    withLine("  waves:", "  wave:"),
    'rollout.yaml:8:3 (spec.wave): unknown field "wave"\n  → did you mean "waves"?',
  ],
  [
    "a field of nobody",
    withLine("    minSuccess: 95%", "    quorum: 3"),
    'rollout.yaml:12:5 (spec.gate.quorum): unknown field "quorum"\n' +
      "  → fields here are maxFailures, maxFailureRate, falseAlarmRate, slices, " +
      "onSliceFailure, minSuccess, minSample, analysis",
  ],
  [
    "a slice by what sites are counted by anyway",
    withLine("minSuccess: 95%", "slices: [region, site]"),
    'rollout.yaml:12:22 (spec.gate.slices[1]): "site" is no fact that devices are sliced by\n' +
      "  → sites are counted beside devices in any case",
  ],
  [
    "an alarm that may be false every second time",
    withLine("minSuccess: 95%", "falseAlarmRate: 51%"),
    "rollout.yaml:12:21 (spec.gate.falseAlarmRate): is above 50 %: an alarm that is false every " +
      "second time is none",
  ],
  [
    "a missing field",
    withLine("  release: shop@1.4.0\n", ""),
    "rollout.yaml:5:1 (spec.release): this field is missing",
  ],
  [
    "an empty field",
    withLine("shop@1.4.0", ""),
    "rollout.yaml:6:12 (spec.release): this field is empty; it must be text",
  ],
  [
    "a name that is none",
    withLine("shop-1.4", "Shop_1.4!"),
    'rollout.yaml:4:9 (metadata.name): rollout name "Shop_1.4!" is not 1–63 characters of ' +
      "a–z 0–9 . _ - starting and ending with a letter or digit",
  ],
  [
    "a number where text belongs",
    withLine("shop-1.4", "14"),
    "rollout.yaml:4:9 (metadata.name): must be text, not 14\n" +
      '  → write it in quotes, as in "14"',
  ],
  [
    "a tenant that is none",
    withLine("  name: shop-1.4", "  name: shop-1.4\n  tenant: My Shop"),
    'rollout.yaml:5:11 (metadata.tenant): tenant "My Shop" is not 1–63 characters of a–z 0–9 -',
  ],
  [
    "a release without a version",
    withLine("shop@1.4.0", "shop"),
    'rollout.yaml:6:12 (spec.release): "shop" is not a release like shop@1.4.0',
  ],
  [
    "a release whose version is not semantic",
    withLine("shop@1.4.0", "shop@1.4"),
    'rollout.yaml:6:17 (spec.release): "1.4" is not a semantic version\n' +
      "  → write three numbers, as in 1.4.0 or 1.4.0-rc.1 (semver.org)",
  ],
  [
    "a wrong selector",
    withLine("region = eu", "region = eu adn site = x"),
    'rollout.yaml:7:25 (spec.selector): selector, column 13: unexpected "adn"\n' +
      '  → join conditions with "and" or "or"',
  ],
  [
    "a wrong selector in a block",
    withLine("region = eu", "|\n    region = eu and\n    sight = x"),
    'rollout.yaml:9:5 (spec.selector): selector, line 2, column 1: "sight" is not a field\n' +
      "  → fields are id, region, site, serviceLevel, critical, label.NAME and inventory.NAME",
  ],
  [
    "an amount that is none",
    withLine("maxInFlight: 50", "maxInFlight: many"),
    'rollout.yaml:9:16 (spec.maxInFlight): "many" is neither a count like 50 nor a percentage ' +
      "like 10%",
  ],
  [
    "a percentage over a hundred",
    withLine('"10%"', '"110%"'),
    'rollout.yaml:8:14 (spec.waves[1]): "110%" is neither a count like 50 nor a percentage ' +
      "like 10%",
  ],
  [
    "waves after the rest",
    withLine('[1, "10%", rest]', "[1, rest, 10]"),
    'rollout.yaml:8:14 (spec.waves[1]): "rest" must be the last wave',
  ],
  [
    "no waves",
    withLine('[1, "10%", rest]', "[]"),
    "rollout.yaml:8:10 (spec.waves): must be at least 1 entry long",
  ],
  [
    "waves that are no list",
    withLine('[1, "10%", rest]', "10%"),
    'rollout.yaml:8:10 (spec.waves): must be a list, not "10%"',
  ],
  [
    "slices that are no list, and are not measured as text",
    withLine("minSuccess: 95%", "slices: region"),
    'rollout.yaml:12:13 (spec.gate.slices): must be a list, not "region"',
  ],
  [
    "a long text in the place of a list",
    withLine('[1, "10%", rest]', "x".repeat(500)),
    `rollout.yaml:8:10 (spec.waves): must be a list, not "${"x".repeat(59)}…"`,
  ],
  [
    "lists in lists without an end",
    "[".repeat(20_000),
    /^rollout\.yaml:1:\d+: YAML syntax: it is nested too deeply$/,
  ],
  [
    "a duration without a unit",
    withLine("soak: 30s", "soak: 30"),
    'rollout.yaml:13:9 (spec.soak): "30" is not a duration like 500ms, 30s, 5m, 2h or 14d',
  ],
  [
    "a duration of nothing",
    withLine("soak: 30s", "soak: 0s"),
    "rollout.yaml:13:9 (spec.soak): must be longer than 0s",
  ],
  [
    "a success rate without a percent sign",
    withLine("minSuccess: 95%", "minSuccess: 95"),
    'rollout.yaml:12:17 (spec.gate.minSuccess): "95" is not a percentage like 95%',
  ],
  [
    "an instant without a time zone",
    withLine("onStop: rollback", "expires: 2026-12-01T22:00"),
    'rollout.yaml:14:12 (spec.expires): "2026-12-01T22:00" ' +
      "does not say in which time zone it is\n" +
      "  → write it like 2026-12-01T22:00:00+01:00 or 2026-12-01T21:00:00Z",
  ],
  ...(
    [
      [
        '{ install: [{ days: [mon-fry], from: "22:00", to: "05:00" }] }',
        '14:33 (spec.windows.install[0].days[0]): "mon-fry" is not a day like mon, ' +
          "or days like mon-fri",
      ],
      [
        '{ install: [{ from: "10 pm", to: "05:00" }] }',
        '14:32 (spec.windows.install[0].from): "10 pm" is not a time of day like 22:00',
      ],
      [
        '{ install: [{ from: "24:00", to: "05:00" }] }',
        "14:32 (spec.windows.install[0].from): a window cannot open at 24:00; " +
          "write 00:00 of the day after",
      ],
      [
        '{ install: [{ from: "22:00", to: "05:00" }], timeZone: CET/Berlin }',
        '14:67 (spec.windows.timeZone): "CET/Berlin" is not a time zone like Europe/Berlin',
      ],
      [
        "{ timeZone: device }",
        "14:12 (spec.windows): has no windows: name install, download or both",
      ],
    ] as const
  ).map(
    ([text, message]) =>
      [
        `windows like ${text}`,
        withLine("onStop: rollback", `windows: ${text}`),
        `rollout.yaml:${message}`,
      ] as const,
  ),
  [
    "an action that is none",
    withLine("onStop: rollback", "onStop: rolback"),
    'rollout.yaml:14:11 (spec.onStop): must be one of rollback, pause, not "rolback"\n' +
      '  → did you mean "rollback"?',
  ],
  [
    "a mapping where a list of fields belongs",
    withLine("metadata:\n  name: shop-1.4", "metadata: shop-1.4"),
    'rollout.yaml:3:11 (metadata): must be a mapping of fields, not "shop-1.4"',
  ],
  [
    "two faults, in the order of their lines",
    withLine("soak: 30s", "soak: soon").replace("shop@1.4.0", "shop"),
    'rollout.yaml:6:12 (spec.release): "shop" is not a release like shop@1.4.0\n' +
      'rollout.yaml:13:9 (spec.soak): "soon" is not a duration like 500ms, 30s, 5m, 2h or 14d',
  ],
  [
    "a fault in the second document",
    `${GOOD}---\n${withLine("30s", "soon")}`,
    'rollout.yaml:28:9 (spec.soak): "soon" is not a duration like 500ms, 30s, 5m, 2h or 14d',
  ],
  [
    "an alias of nothing",
    withLine("shop@1.4.0", "*release"),
    "rollout.yaml: the YAML cannot be read: its aliases are unresolved or expand too far\n" +
      "  → write the values out instead of using aliases",
  ],
  [
    "aliases that expand without end",
    ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
      .concat(
        "bcdefg".split("").map((name, index) => {
          const before = "abcdef"[index];
          return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(", ")}]`;
        }),
      )
      .join("\n"),
    "rollout.yaml: the YAML cannot be read: its aliases are unresolved or expand too far\n" +
      "  → write the values out instead of using aliases",
  ],
];

describe("a rollout document", () => {
  for (const [name, text, message] of BAD) {
    test(`with ${name} is refused with its place`, () => {
      if (typeof message === "string") assert.equal(complaint(text), message);
      else assert.match(complaint(text), message);
    });
  }

  test("becomes the spec of the API, with what was left out unset", () => {
    const [loaded] = loadText(GOOD, "rollout.yaml");
    assert(loaded?.kind === "rollout");
    const spec = create(RolloutSpecSchema, toRolloutSpec(loaded.document));
    const expected = create(RolloutSpecSchema, {
      release: "shop@1.4.0",
      selector: "region = eu",
      waves: [{ kind: { case: "count", value: 1 } }, { kind: { case: "percent", value: 10 } }],
      maxInFlight: { kind: { case: "count", value: 50 } },
      maxInFlightPerGateway: 0,
      maxInFlightPerSite: 0,
      order: 0,
      gate: {
        maxFailures: { kind: { case: "count", value: 3 } },
        minSuccessPercent: 95,
      },
      soakMs: 30_000n,
      deadlines: {},
      onStop: OnStop.ROLLBACK,
    });
    assert.deepEqual(spec, expected);
  });

  test("with the rest as its only wave has one wave, not those that are the default", () => {
    const [loaded] = loadText(withLine('[1, "10%", rest]', "[rest]"), "rollout.yaml");
    assert(loaded?.kind === "rollout");
    const { waves } = create(RolloutSpecSchema, toRolloutSpec(loaded.document));
    assert.deepEqual(
      waves.map(({ kind }) => kind),
      [{ case: "percent", value: 100 }],
    );
  });

  test("may stand in a file with others, between empty ones", () => {
    const loaded = loadText(`---\n${GOOD}---\n---\n${GOOD}`, "rollout.yaml");
    assert.equal(loaded.length, 2);
  });
});
