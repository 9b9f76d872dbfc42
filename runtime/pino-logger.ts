// SPDX-License-Identifier: Apache-2.0
/** The Logger port over pino: one JSON object a line on standard error. */
import { pino } from "pino";
import { destination } from "pino";
import type { Logger as PinoLogger } from "pino";
import type { LogFields, Logger } from "../ports/logger.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Field names whose values never reach a log, at any depth that we use. */
const SECRET_PATHS = ["token", "*.token", "password", "*.password", "privateKey", "*.privateKey"];

/** `role` names the process: `center`, `gateway`, `agent`. `file` null = standard error. */
export function createLogger(options: { role: string; level: LogLevel; file?: string }): Logger {
  // Synchronous: a line written before `kill -9` is on its way out of the process.
  const target = destination({ dest: options.file ?? 2, sync: true, append: true });
  const root = pino(
    {
      level: options.level,
      base: { role: options.role, pid: process.pid },
      redact: { paths: SECRET_PATHS, censor: "[secret]" },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    target,
  );
  return adapt(root);
}

function adapt(logger: PinoLogger): Logger {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields: LogFields) => adapt(logger.child(fields)),
  };
}
