// SPDX-License-Identifier: Apache-2.0
/** The one-time token that a device or gateway is given at its first start, in a file. */
import { MAX_SECRET_BYTES, readBounded } from "../files.ts";

/** undefined when no file is named: it must be enrolled already. */
export async function readEnrolmentTokenFile(
  file: string | undefined,
): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const bytes = await readBounded(file, {
    attempted: "reading the enrolment token",
    maxBytes: MAX_SECRET_BYTES,
  });
  return bytes.toString("utf8").trim();
}
