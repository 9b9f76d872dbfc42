// SPDX-License-Identifier: Apache-2.0
/**
 * Advisory locks of a transaction, by class and number. They are fair (first come, first served)
 * and write nothing: a share lock on a row would let a leader's stream of overlapping commits keep
 * the next leader out for ever, and would make each commit rewrite that row.
 *
 * A lock and what it guards are two statements: a statement sees what was committed before it
 * began, and so, had it to wait for the lock, not what it waited for.
 */
import { createHash } from "node:crypto";

/** "MuF", "MuA", "MuM" and 0: classes of our own in a database that others may use as well. */
const FENCE_CLASS = 0x4d_75_46_00;
const AUDIT_CLASS = 0x4d_75_41_00;
const MIGRATION_CLASS = 0x4d_75_4d_00;

/** One who draws a token waits for the commits under the older one, and they for it. */
export function lockFence(name: string, mode: "share" | "exclusive"): string {
  // Two names with one number merely wait for one another.
  const number = createHash("sha256").update(name).digest().readInt32BE();
  return lock(mode === "share" ? "_shared" : "", FENCE_CLASS, number);
}

/** Who holds it writes the next entries of the audit log. */
export const LOCK_AUDIT: string = lock("", AUDIT_CLASS, 0);

/** Who holds it changes the schema. */
export const LOCK_MIGRATION: string = lock("", MIGRATION_CLASS, 0);

function lock(mode: string, lockClass: number, number: number): string {
  return `SELECT pg_advisory_xact_lock${mode}(${lockClass}, ${number});`;
}
