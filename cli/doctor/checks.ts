// SPDX-License-Identifier: Apache-2.0
/** All of doctor's checks, in the order in which a fault in one explains those after it. */
import { defaultCenterFolder } from "../connection.ts";
import type { ConnectionOptions } from "../options.ts";
import type { Shell } from "../shell.ts";
import { checkCenter } from "./center-checks.ts";
import type { CheckResult } from "./check.ts";
import { checkHost } from "./host-checks.ts";
import { checkDataFolder, checkPorts, checkRuntime } from "./machine-checks.ts";

export async function runChecks(request: {
  shell: Shell;
  options: ConnectionOptions & { readonly data?: string; readonly proc: string };
}): Promise<CheckResult[]> {
  const { shell, options } = request;
  const center = await checkCenter(shell, options);
  return [
    checkRuntime(process.versions.node),
    ...center.results,
    await checkDataFolder(options.data ?? defaultCenterFolder(shell.environment)),
    ...(await checkHost(options.proc)),
    await checkPorts({ centerIsHere: center.isHere }),
  ];
}
