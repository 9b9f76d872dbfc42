// SPDX-License-Identifier: Apache-2.0
/** The Range header (RFC 9110 §14): one byte range; several at once are answered with the whole. */

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * The part of `lengthBytes` that is asked for; "whole" when the header is absent, malformed or asks
 * for several (a server may ignore it then); "unsatisfiable" when nothing of it exists.
 */
export function parseByteRange(
  header: string | undefined,
  lengthBytes: number,
): ByteRange | "whole" | "unsatisfiable" {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  if (match === null) return "whole";
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "" && last === "") return "whole";
  if (first === "") {
    const start = Math.max(0, lengthBytes - Number(last));
    return start < lengthBytes && last !== "0" ? { start, end: lengthBytes } : "unsatisfiable";
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= lengthBytes) return "unsatisfiable";
  return { start, end: last === "" ? lengthBytes : Math.min(Number(last) + 1, lengthBytes) };
}
