// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compareVersions } from "./version.ts";
import { chainTo, floorIn, MAX_PATH_STEPS, startOf, type FloorRelease } from "./version-path.ts";

const release = (version: string, floor = ""): FloorRelease => ({ version, floor });
const published = [
  release("1.4.0"),
  release("1.9.0"),
  release("2.0.0", "1.5.0"),
  release("2.0.1", "1.5.0"),
  release("2.5.0-rc.1", "1.5.0"),
  release("3.1.0", "2.0.0"),
];
const target = published.at(-1) ?? release("");
const chain = chainTo(target, published);
const from = (version: string): unknown => startOf(chain, { kind: "version", version });

describe("versions", () => {
  test("are in the order of semver.org, clause 11", () => {
    const ordered =
      "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 " +
      "1.0.0-rc.1 1.0.0 1.0.1 1.2.0 1.10.0 2.0.0";
    const versions = ordered.split(" ");
    assert.deepEqual(versions.toReversed().sort(compareVersions), versions);
    assert.equal(compareVersions("1.0.0+a", "1.0.0+b"), 0);
  });
});

describe("a path", () => {
  test("goes over the lowest version at each floor, which is no pre-release", () => {
    assert.deepEqual(
      chain.map(({ version }) => version),
      ["1.9.0", "2.0.0", "3.1.0"],
    );
  });

  test("begins at the last release whose floor the device has reached", () => {
    assert.deepEqual(
      ["1.4.0", "1.5.0", "1.9.0", "2.0.0", "2.7.0", "9.0.0"].map(from),
      [0, 1, 1, 2, 2, 2],
    );
  });

  test("is one step where nothing runs, and where the release has no floor", () => {
    assert.equal(startOf(chain, { kind: "nothing" }), 2);
    assert.equal(startOf([release("1.0.0")], { kind: "unknown" }), 0);
  });

  test("is not there for who runs something unknown, or is below every floor", () => {
    assert.equal(startOf(chain, { kind: "unknown" }), "version-unknown");
    const short = chainTo(target, [target, release("2.0.0", "1.5.0")]);
    assert.equal(startOf(short, { kind: "version", version: "1.4.0" }), "no-path");
  });

  test("has so many steps at most", () => {
    const many = Array.from({ length: 12 }, (_, index) =>
      release(`${index + 1}.0.0`, index === 0 ? "" : `${index}.0.0`),
    );
    assert.equal(chainTo(many.at(-1) ?? target, many).length, MAX_PATH_STEPS);
  });

  test("is named by a floor as in >=2.0.0", () => {
    assert.deepEqual([">=2.0.0", ">= 2.0.0", "2.0.0", ">2"].map(floorIn), [
      "2.0.0",
      "2.0.0",
      null,
      null,
    ]);
  });
});
