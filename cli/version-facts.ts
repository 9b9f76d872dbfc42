// SPDX-License-Identifier: Apache-2.0
/** What is running. The version is package.json's, which lies beside `cli/` in every form of it. */
import { readFileSync } from "node:fs";

export interface VersionFacts {
  readonly version: string;
  readonly node: string;
  /** `linux-x64`. */
  readonly platform: string;
}

export function versionFacts(): VersionFacts {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  const { versions, platform, arch } = process;
  return { version, node: versions.node, platform: `${platform}-${arch}` };
}
