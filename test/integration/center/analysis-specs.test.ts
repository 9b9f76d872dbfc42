// SPDX-License-Identifier: Apache-2.0
/** What the API and the reader of documents refuse of `gate.analysis`, each with one sentence. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { SeveralErrors } from "../../../cli/print-error.ts";
import { describeError, type MusterError } from "../../../domain/errors.ts";
import { loadText } from "../../../cli/documents/load-documents.ts";
import type { AnalysisSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { assertRefused, sharedApi } from "./refused-specs.ts";

const URL = "https://analysis.example/muster";
type Analysis = MessageInitShape<typeof AnalysisSchema>;

/** As a document has it, and as a client sends it. */
const REFUSED: readonly (readonly [name: string, text: string, wire: Analysis, message: RegExp])[] =
  [
    ["without a URL", 'url: ""', { url: "" }, /is no URL of HTTPS|this field is empty/],
    [
      "of another scheme",
      "url: ftp://a.example/",
      { url: "ftp://a.example/" },
      /is no URL of HTTPS/,
    ],
    [
      "with credentials",
      "url: https://me:secret@a.example/",
      { url: "https://me:secret@a.example/" },
      /has credentials in it, which everybody could read/,
    ],
    [
      "over plain HTTP to another machine",
      "url: http://a.example/",
      { url: "http://a.example/" },
      /is plain HTTP, which is for the center's own machine only/,
    ],
    [
      "that may take longer than five minutes",
      `url: ${URL}, timeout: 6m`,
      { url: URL, timeoutMs: 360_000n },
      /timeout.* is longer than 5m/s,
    ],
    [
      "that is tried too often",
      `url: ${URL}, retries: 11`,
      { url: URL, retries: 11 },
      /retries.*(?:is more than|too large|<=|at most) ?10/s,
    ],
  ];

const documentOf = (text: string): string =>
  [
    "apiVersion: muster/v1",
    "kind: Rollout",
    "metadata: { name: up }",
    "spec:",
    "  release: app@1.0.0",
    '  selector: ""',
    "  gate:",
    `    analysis: { ${text} }`,
    "",
  ].join("\n");

/** What the person reads. */
function complaint(text: string): string {
  try {
    loadText(text, "up.yaml");
  } catch (error) {
    const errors = error instanceof SeveralErrors ? error.errors : [error as MusterError];
    return errors.map(describeError).join("\n");
  }
  return "nothing";
}

describe("an analysis", () => {
  const api = sharedApi();

  for (const [name, text, analysis, message] of REFUSED) {
    test(`${name} is refused, in a document with its line`, async () => {
      await assertRefused(api, { release: "app@1.0.0", gate: { analysis } }, message);
      assert.match(complaint(documentOf(text)), message);
      assert.match(
        complaint(documentOf(text)),
        /^up\.yaml:8:\d+ \(spec\.gate\.analysis\.[a-z]+\): /,
      );
    });
  }
});
