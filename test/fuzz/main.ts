// SPDX-License-Identifier: Apache-2.0
//
// `npm run fuzz [-- --count N] [--from SEED] [--missed] [PARSER …]`: damaged inputs to every parser
// that faces a device, one JSON line each. Exit status 1: an input threw, or too few branches met.

import { parseArgs } from "node:util";
import { BRANCHES_MET_MIN, fuzz } from "./fuzz.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "1000000" },
    from: { type: "string", default: "1" },
    missed: { type: "boolean", default: false },
  },
});
const results = await fuzz({
  count: Number(values.count),
  from: Number(values.from),
  only: positionals,
});
for (const { missed, ...result } of results) {
  const share = result.branchesMet / result.branches;
  console.log(JSON.stringify({ ...result, share: Number(share.toFixed(3)) }));
  if (values.missed) for (const place of missed) console.log(`  ${place}`);
  if (result.throws > 0 || share < BRANCHES_MET_MIN) process.exitCode = 1;
}
