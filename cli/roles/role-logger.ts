// SPDX-License-Identifier: Apache-2.0
/** The logger of a role that the command line starts. */
import type { Logger } from "../../ports/logger.ts";
import { createLogger } from "../../runtime/pino-logger.ts";
import type { RoleOptions } from "./role-options.ts";

export function roleLogger(role: string, options: RoleOptions): Logger {
  const { logLevel: level, logFile: file } = options;
  return createLogger({ role, level, ...(file === undefined ? {} : { file }) });
}
