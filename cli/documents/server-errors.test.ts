// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeError, MusterError, type ErrorDetail } from "../../domain/errors.ts";
import { locateServerError } from "./server-errors.ts";
import { parseYaml } from "./yaml-source.ts";

const TEXT = `kind: Rollout
metadata: { name: shop }
spec:
  selector: "region = eu"
  waves:
    - 1
    - 10%
  gate: { minSuccess: 95% }
  soak: 30s
`;

/** The place that the center's refusal of `detail` is pointed to. */
function place(detail: ErrorDetail): string {
  const [source] = parseYaml(TEXT, "rollout.yaml");
  assert(source !== undefined);
  const error = new MusterError({ code: "invalid_argument", message: "no", detail });
  return describeError(locateServerError(error, source));
}

describe("the center's refusal of a field", () => {
  const cases: readonly (readonly [field: ErrorDetail, place: string])[] = [
    [{ field: "spec.waves[1]" }, "rollout.yaml:7:7 (spec.waves[1]): no"],
    [{ field: "spec.gate.minSuccess" }, "rollout.yaml:8:23 (spec.gate.minSuccess): no"],
    [{ field: "spec.gate.min_success_percent" }, "rollout.yaml:8:23 (spec.gate.minSuccess): no"],
    [{ field: "soakMs" }, "rollout.yaml:9:9 (spec.soak): no"],
    [{ field: "name" }, "rollout.yaml:2:19 (metadata.name): no"],
    [{ field: "selector", line: 1, column: 8 }, "rollout.yaml:4:21 (spec.selector): no"],
    [{ field: "spec.selector" }, "rollout.yaml:4:13 (spec.selector): no"],
  ];
  for (const [detail, expected] of cases) {
    test(`${JSON.stringify(detail)} is pointed to in the file`, () => {
      assert.equal(place(detail), expected);
    });
  }

  test("that the document does not have is pointed to its beginning", () => {
    assert.equal(place({ field: "spec.blastRadius" }), "rollout.yaml:1:1 (spec.blastRadius): no");
  });

  test("keeps the hint", () => {
    assert.match(place({ field: "name", hint: "rename it" }), /\n {2}→ rename it$/);
  });
});
