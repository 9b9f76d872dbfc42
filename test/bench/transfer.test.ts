// SPDX-License-Identifier: Apache-2.0
/** The bench of transfers, small: all three ways end with the archive, and ours moves least. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measurePair } from "../../bench/macro/transfer/measure-pair.ts";
import { PAIRS } from "../../bench/macro/transfer/version-pairs.ts";
import { softwareTar } from "../helpers/chunked-blob.ts";

test("an update is measured beside a plain download and beside casync", async () => {
  const facts = { seed: 4, fileCount: 60, fileBytes: 20_000 };
  const measured = await measurePair({
    old: await softwareTar(facts),
    new: await softwareTar({ ...facts, changed: (file) => file === 30 }),
  });
  const { archiveBytes, ours, plain, casync } = measured;
  assert.ok(ours.movedBytes < archiveBytes / 2, `${ours.movedBytes} of ${archiveBytes} bytes`);
  assert.ok(plain.movedBytes >= archiveBytes);
  assert.ok(ours.cpuMs > 0 && plain.cpuMs > 0);
  if (casync !== null) assert.ok(casync.movedBytes < archiveBytes && casync.cpuMs > 0);
  assert.equal(PAIRS.length, 3);
});
