// SPDX-License-Identifier: Apache-2.0
/** `muster audit list`. */
import type { Command } from "commander";
import { AuditRecordSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { auditRecords } from "../../audit-records.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addLimitOption,
  addOutputOption,
  parseCount,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { toPlainData } from "../../output/plain-data.ts";
import { printList } from "../../output/print.ts";
import type { Shell } from "../../shell.ts";
import { AUDIT_COLUMNS } from "../../views/tables.ts";

type Options = ConnectionOptions &
  OutputOptions & { readonly limit: number; readonly after: number };

export function declare(command: Command, shell: Shell): void {
  command.option("--after <sequence>", "only what came after this one", parseCount, 0);
  addLimitOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster audit list", "The first hundred changes: who, what, when, why"],
    ["muster audit list --after 4200 -o json", "What happened since, with all details"],
  ]);
  command.action(async (options: Options) => {
    const session = await openSession(shell, options);
    const { limit, after } = options;
    await printList({
      shell,
      format: options.output,
      columns: AUDIT_COLUMNS,
      data: (record) => toPlainData(AuditRecordSchema, record),
      items: auditRecords({ shell, session, tenant: options.tenant ?? "", after, limit }),
    });
  });
}
