// SPDX-License-Identifier: Apache-2.0
/** A selector given on the command line: checked here, so that the mistake is pointed at. */
import { isMusterError, MusterError } from "../domain/errors.ts";
import { parseSelector } from "../domain/selector/parser.ts";

/** Throws `invalid_argument` that shows the selector with a mark under the mistake. */
export function checkSelectorOption(text: string, option = "--selector"): void {
  try {
    parseSelector(text);
  } catch (error) {
    if (!isMusterError(error) || error.detail.column === undefined) throw error;
    const { column, hint } = error.detail;
    const mark = `${text}\n    ${" ".repeat(column - 1)}^`;
    throw new MusterError({
      code: error.code,
      message: `${error.message}\n    ${mark}`,
      cause: error,
      detail: { field: option, ...(hint === undefined ? {} : { hint }) },
    });
  }
}
