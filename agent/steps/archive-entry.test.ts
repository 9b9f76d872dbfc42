// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { posix } from "node:path";
import { judgeEntry } from "./archive-entry.ts";

describe("an archive entry", () => {
  const unsafeHeaders = [
    { name: "/etc/passwd" },
    { name: "../up" },
    { name: "a/../../up" },
    { name: "zero\0byte" },
    { name: "null", type: "character-device" },
    { name: "sda", type: "block-device" },
    { name: "pipe", type: "fifo" },
    { name: "sudo", mode: 0o4755 },
    { name: "write", mode: 0o2755 },
    { name: "link", type: "symlink", linkname: "/etc" },
    { name: "link", type: "symlink", linkname: ".." },
    { name: "d/link", type: "symlink", linkname: "../../x" },
    { name: "link", type: "symlink", linkname: "d/../x" },
    { name: "link", type: "symlink", linkname: "" },
    { name: "hard", type: "link", linkname: "/etc/shadow" },
    { name: "hard", type: "link", linkname: "../x" },
    { name: "x".repeat(256) },
    { name: "./" },
    { name: "unknown", type: "something" },
  ];
  for (const header of unsafeHeaders) {
    it(`is refused as ${JSON.stringify({ ...header, name: header.name.slice(0, 20) })}`, () => {
      assert.equal(judgeEntry(header, "").kind, "unsafe");
    });
  }

  it("lands below the place that the step names", () => {
    assert.deepEqual(judgeEntry({ name: "./bin/app", mode: 0o755 }, "opt/app"), {
      kind: "file",
      path: "opt/app/bin/app",
      mode: 0o755,
    });
  });

  it("may be a link that stays inside", () => {
    const header = { name: "bin/app", type: "symlink", linkname: "../lib/app.js" };
    assert.deepEqual(judgeEntry(header, ""), {
      kind: "link",
      path: "bin/app",
      target: "../lib/app.js",
    });
  });

  it("loses folder bits that mean nothing here, and keeps the owner's right to clean up", () => {
    assert.deepEqual(judgeEntry({ name: "tmp/", type: "directory", mode: 0o1555 }, ""), {
      kind: "folder",
      path: "tmp",
      mode: 0o755,
    });
  });

  it("is nothing when it is the root of the archive", () => {
    assert.deepEqual(judgeEntry({ name: "./", type: "directory" }, "opt"), {
      kind: "folder",
      path: "opt",
      mode: 0o755,
    });
    assert.deepEqual(judgeEntry({ name: "./", type: "directory" }, ""), { kind: "nothing" });
  });

  it("never names a place outside, whatever its name and target", () => {
    const part = fc.constantFrom("a", "b", "..", ".", "", "c d", "...");
    const path = fc.array(part, { maxLength: 6 }).map((parts) => parts.join("/"));
    const type = fc.constantFrom("file", "directory", "symlink", "link");
    fc.assert(
      fc.property(path, path, type, (name, linkname, kind) => {
        const verdict = judgeEntry({ name, linkname, type: kind }, "in/side");
        if (verdict.kind === "unsafe" || verdict.kind === "nothing") return;
        // A name may begin with dots; only the part that is ".." leads out.
        const inside = (place: string): boolean => !/^\.\.(?:\/|$)/.test(posix.normalize(place));
        assert.ok(inside(verdict.path) && !verdict.path.startsWith("/"));
        if (verdict.kind === "link") {
          assert.ok(inside(posix.join(posix.dirname(verdict.path), verdict.target)));
        }
        if (verdict.kind === "hard-link") assert.ok(inside(verdict.existing));
      }),
    );
  });
});
