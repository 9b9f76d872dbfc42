// SPDX-License-Identifier: Apache-2.0
/**
 * Structured logging as a port: four levels, messages are constant sentences, values are fields.
 * Expected failures (a device offline, a lease refused) are not errors.
 */
export type LogFields = { readonly [key: string]: unknown };

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** `error` in the fields is printed with its whole chain of causes. */
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}

/** For tests and embedding: says nothing. */
export const SILENT_LOGGER: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => SILENT_LOGGER,
};
