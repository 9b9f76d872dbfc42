// SPDX-License-Identifier: Apache-2.0
/** The forms in which data is printed. */
export const OUTPUT_FORMATS = ["table", "json", "yaml"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];
