// SPDX-License-Identifier: Apache-2.0
/** The bench of codecs, small: every codec gives back what it got, and binary ones are smaller. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

interface Figure {
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  readonly ratio?: number;
}

test("every codec is measured beside JSON", async ({ signal }) => {
  const args = ["bench/micro/codec.bench.ts", "--quick", "--messages", "100"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal });
  const figures = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Figure);
  const sizes = figures.filter(({ metric }) => metric === "size of one");
  const names = ["JSON", "Protobuf", "Protobuf, @bufbuild/protobuf", "Avro, avsc"];
  const all = [...names, "Thrift compact, thrift"];
  assert.deepEqual(
    sizes.map((figure) => figure.case),
    [
      ...all.map((name) => `status of 15 fields: ${name}`),
      ...all.map((name) => `3 fields: ${name}`),
      ...names.slice(0, 2).map((name) => `heartbeat of 2 slots, checked: ${name}`),
    ],
  );
  for (const { case: name, ratio } of sizes) {
    assert.equal(ratio === undefined, name.endsWith(": JSON"), name);
    assert.ok(ratio === undefined || ratio < 0.5, `${name} is not half as large as JSON`);
  }
  assert.equal(figures.length, sizes.length * 5);
  assert.ok(figures.every(({ value }) => value > 0));
});
