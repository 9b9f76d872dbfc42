// SPDX-License-Identifier: Apache-2.0
/** The kernel's settings of this host, beside those that a gateway wants; read, never written. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatCount } from "../output/units.ts";
import { fail, ok, warn, type CheckResult } from "./check.ts";
import { HOST_SETTINGS, OPEN_FILES, settingLine, SYSCTL_FILE } from "./host-settings.ts";
import type { HostSetting } from "./host-settings.ts";

/** With fewer not even a small gateway works. */
const FEWEST_FILES = 1_024;

/** `procFolder`: `/proc`, or a copy of another host's. */
export async function checkHost(procFolder: string): Promise<CheckResult[]> {
  const settings = await Promise.all(
    HOST_SETTINGS.map((setting) => checkSetting(procFolder, setting)),
  );
  const known = settings.filter((result) => result !== null);
  const wrong = known.filter(({ result }) => result !== "ok");
  const fit = `${known.length - wrong.length} of ${known.length} settings are as a gateway wants`;
  return [
    await checkFileLimit(procFolder),
    ...(known.length === 0 ? [ok("kernel", "not known on this system")] : [ok("kernel", fit)]),
    ...wrong,
  ];
}

/** Null where this kernel does not have it. */
async function checkSetting(procFolder: string, setting: HostSetting): Promise<CheckResult | null> {
  const { key, wanted, does, why, mayBeAbsent = false } = setting;
  const text = await readOrNull(join(procFolder, "sys", ...key.split(".")));
  if (text === null) {
    const isLinux = (await readOrNull(join(procFolder, "sys/kernel/osrelease"))) !== null;
    if (mayBeAbsent || !isLinux) return null;
    return warn(key, "this kernel does not have it", `${wanted} is wanted, so that ${why}`);
  }
  const found = text.trim().split(/\s+/u);
  if (does(found.map(Number))) return ok(key, found.join(" "));
  return warn(
    key,
    `${found.join(" ")} instead of ${wanted}`,
    `write "${settingLine(setting)}" into ${SYSCTL_FILE} and run sysctl --system, so that ${why}`,
  );
}

async function checkFileLimit(procFolder: string): Promise<CheckResult> {
  const limits = await readOrNull(join(procFolder, "self/limits"));
  return limits === null ? ok("open files", "not known on this system") : judgeFileLimit(limits);
}

/** Reads the soft limit out of `/proc/self/limits`; Node has raised it to the hard one. */
export function judgeFileLimit(limits: string): CheckResult {
  const match = /^Max open files\s+(\d+|unlimited)/m.exec(limits);
  if (match === null || match[1] === "unlimited") return ok("open files", "not limited");
  const limit = Number(match[1]);
  const found = `at most ${formatCount(limit)}`;
  const advice =
    `write "LimitNOFILE=${OPEN_FILES}" into the unit of the gateway (without systemd: ` +
    `ulimit -n ${OPEN_FILES}), so that each connection can have its file`;
  if (limit < FEWEST_FILES) return fail("open files", found, advice);
  if (limit < OPEN_FILES) return warn("open files", found, advice);
  return ok("open files", found);
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return null; // Not there, or not for us: then nothing is known of it.
  }
}
