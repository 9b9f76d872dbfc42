// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import type { CheckResult } from "./check.ts";
import { checkHost } from "./host-checks.ts";
import { HOST_SETTINGS, settingLine, SYSCTL_FILE } from "./host-settings.ts";

/** A kernel's settings as files: all as wanted, but for these. */
async function withHost(
  changes: { readonly [path: string]: string | null },
  check: (results: readonly CheckResult[]) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "muster-proc-"));
  const files: { [path: string]: string | null } = {
    "sys/kernel/osrelease": "6.1.0\n",
    "self/limits":
      "Max open files            1000000              1000000              files     \n",
  };
  for (const { key, wanted } of HOST_SETTINGS) {
    files[`sys/${key.replaceAll(".", "/")}`] = `${wanted.replace(" ", "\t")}\n`;
  }
  try {
    for (const [path, text] of Object.entries({ ...files, ...changes })) {
      if (text === null) continue;
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    check(await checkHost(folder));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function wrongOf(results: readonly CheckResult[]): string[] {
  return results.filter(({ result }) => result !== "ok").map(({ check }) => check);
}

describe("the settings of a host", () => {
  test("are all well where each is what is wanted", async () => {
    await withHost({}, (results) => {
      assert.deepEqual(wrongOf(results), []);
      const all = `${HOST_SETTINGS.length} of ${HOST_SETTINGS.length} settings`;
      const said = results.at(-1)?.found ?? "";
      assert.ok(said.startsWith(all), said);
    });
  });

  for (const setting of HOST_SETTINGS) {
    test(`${setting.key} that is wrong is named, with the line to write`, async () => {
      const isMost = setting.does([0]);
      const wrong = setting.wanted === "10000 65535" ? "32768\t60999" : isMost ? "99999" : "2";
      await withHost({ [`sys/${setting.key.replaceAll(".", "/")}`]: `${wrong}\n` }, (results) => {
        assert.deepEqual(wrongOf(results), [setting.key]);
        const result = results.find(({ check }) => check === setting.key);
        assert.equal(result?.found, `${wrong.replace("\t", " ")} instead of ${setting.wanted}`);
        assert.equal(
          result.advice,
          `write "${settingLine(setting)}" into ${SYSCTL_FILE} and run sysctl --system, ` +
            `so that ${setting.why}`,
        );
      });
    });
  }

  test("name a limit of open files that is too small, and the line of the unit", async () => {
    const limits = "Max open files            4096                 4096                 files\n";
    await withHost({ "self/limits": limits }, (results) => {
      assert.deepEqual(wrongOf(results), ["open files"]);
      assert.match(results[0]?.advice ?? "", /"LimitNOFILE=1000000"/u);
    });
  });

  test("of a firewall that is not there are no fault; of any other, they are", async () => {
    await withHost({ "sys/net/netfilter/nf_conntrack_max": null }, (results) => {
      assert.deepEqual(wrongOf(results), []);
    });
    await withHost({ "sys/net/core/somaxconn": null }, (results) => {
      assert.deepEqual(wrongOf(results), ["net.core.somaxconn"]);
    });
  });

  test("are not known where there is no such kernel", async () => {
    const folder = await mkdtemp(join(tmpdir(), "muster-proc-"));
    try {
      const results = await checkHost(folder);
      assert.deepEqual(wrongOf(results), []);
      assert(results.every(({ found }) => found === "not known on this system"));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("of the machine that this runs on are what it says they are", async () => {
    const results = await checkHost("/proc");
    for (const { key, does } of HOST_SETTINGS) {
      const path = join("/proc/sys", ...key.split("."));
      const text = await readFile(path, "utf8").catch(() => null);
      if (text === null) continue;
      const isFine = does(text.trim().split(/\s+/u).map(Number));
      assert.equal(wrongOf(results).includes(key), !isFine, key);
    }
  });
});
