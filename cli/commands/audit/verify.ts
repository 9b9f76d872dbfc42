// SPDX-License-Identifier: Apache-2.0
/** `muster audit verify`: recomputes the hash chain, here and not at the center. */
import type { Command } from "commander";
import { MusterError } from "../../../domain/errors.ts";
import { FIRST_PREVIOUS_HASH, verifyAudit, type AuditVerdict } from "../../../ports/audit-chain.ts";
import type { AuditEntry } from "../../../ports/store.ts";
import { auditEntryOf } from "../../../protocol/audit-record.ts";
import type { AuditRecord } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { wholeAuditLog } from "../../audit-records.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { printObject } from "../../output/print.ts";
import { formatCount } from "../../output/units.ts";
import type { Shell } from "../../shell.ts";

/** Records that are checked together. */
const CHUNK_RECORDS = 1_000;

export function declare(command: Command, shell: Shell): void {
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nThe chain cannot show that records were cut off at its end: note the last sequence and\n" +
      "hash elsewhere and compare.",
  );
  addExamples(command, [
    ["muster audit verify", "Whether any record was changed, added or taken out"],
  ]);
  command.action(async (options: ConnectionOptions & OutputOptions) => {
    const session = await openSession(shell, options);
    const verdict = await verifyAll(wholeAuditLog(session));
    await printObject({
      shell,
      format: options.output,
      data: { ...verdict },
      human: () => (verdict.ok ? [soundSentence(verdict)] : []),
    });
    if (!verdict.ok) throw brokenChain(verdict);
  });
}

async function verifyAll(records: AsyncIterable<AuditRecord>): Promise<AuditVerdict> {
  let verdict: AuditVerdict & { ok: true } = { ok: true, sequence: 0, hash: FIRST_PREVIOUS_HASH };
  let chunk: AuditEntry[] = [];
  const check = (): AuditVerdict => {
    if (chunk.length === 0) return verdict;
    const next = verifyAudit(chunk, verdict.hash);
    chunk = [];
    return next;
  };
  for await (const record of records) {
    const entry = auditEntryOf(record);
    if (entry === null) {
      const before = check();
      return before.ok
        ? { ok: false, sequence: Number(record.sequence), reason: "changed" }
        : before;
    }
    chunk.push(entry);
    if (chunk.length < CHUNK_RECORDS) continue;
    const next = check();
    if (!next.ok) return next;
    verdict = next;
  }
  return check();
}

function soundSentence(verdict: AuditVerdict & { ok: true }): string {
  return verdict.sequence === 0
    ? "The audit log is empty."
    : `The audit log is whole: ${formatCount(verdict.sequence)} records, ` +
        `the last has hash ${verdict.hash}`;
}

function brokenChain(verdict: AuditVerdict & { ok: false }): MusterError {
  const what =
    verdict.reason === "changed"
      ? "it was changed after it was written"
      : "it does not follow the record before it: records were taken out, put in or changed";
  return new MusterError({
    code: "corrupt",
    message: `the audit log is broken at record ${verdict.sequence}: ${what}`,
    detail: { hint: "compare with a backup of the center from before" },
  });
}
