// SPDX-License-Identifier: Apache-2.0
import { MusterError } from "../../domain/errors.ts";

/** The failure of a file operation, with the disk's being full told apart: `no_space`. */
export function diskError(cause: unknown, attempted: string, file: string): MusterError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "failed";
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new MusterError({
    code: isFull ? "no_space" : "internal",
    message: isFull ? `${attempted}: the disk is full` : `${attempted}: ${code}`,
    detail: { file, ...(isFull ? { hint: "free some space on this disk" } : {}) },
    cause,
  });
}
