// SPDX-License-Identifier: Apache-2.0
/** How large the file of an EventLog or of an embedded Store is, and how far it may grow. */
export interface FileSpace {
  /** With what is free inside; without what is written ahead, which is bounded. */
  readonly fileBytes: number;
  /** Was deleted, and will be written again before the files grow. */
  readonly reusableBytes: number;
  /** `fileBytes` never grows beyond it; null = as far as the disk goes. */
  readonly limitBytes: number | null;
}
