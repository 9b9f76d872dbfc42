// SPDX-License-Identifier: Apache-2.0
/** `muster audit list`. */
import { InvalidArgumentError, type Command } from "commander";
import { parseInstant } from "../../../domain/civil-time.ts";
import { parseDurationMs } from "../../../domain/units.ts";
import type { Clock } from "../../../ports/clock.ts";
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
  OutputOptions & {
    readonly limit: number;
    readonly after: number;
    readonly before: number;
    readonly subject: string;
    readonly actor: string;
    /** Of wall time. */
    readonly since?: number;
    readonly oldestFirst?: true;
  };

export function declare(command: Command, shell: Shell): void {
  command
    .option("--subject <pattern>", "what was changed, as shop-1.4 or rollout/*", "")
    .option("--actor <pattern>", "who did it, as ann or system:*", "")
    .option("--since <when>", "from then on: an instant, or 2h for two hours ago", (text) =>
      parseSince(text, shell.clock),
    )
    .option("--after <sequence>", "only what came after this one", parseCount, 0)
    .option("--before <sequence>", "only what came before this one", parseCount, 0)
    .option("--oldest-first", "begin with the oldest");
  addLimitOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nThe newest comes first. In a pattern * is any characters, ? is one; it is met by a whole\n" +
      "subject (or actor), or by all that follows a / (or :) in it.",
  );
  addExamples(command, [
    ["muster audit list", "The last hundred changes: who, what, when, why"],
    ["muster audit list --subject shop-1.4 --since 2d", "What happened to a rollout since"],
    ["muster audit list --after 4200 --oldest-first -o json", "What came after, with all details"],
  ]);
  command.action(async (options: Options) => {
    const session = await openSession(shell, options);
    const { limit, after, before, subject, actor, since = 0 } = options;
    const filter = {
      tenant: options.tenant ?? "",
      afterSequence: BigInt(after),
      beforeSequence: BigInt(before),
      newestFirst: options.oldestFirst !== true,
      subject,
      actor,
      sinceMs: BigInt(since),
    };
    await printList({
      shell,
      format: options.output,
      columns: AUDIT_COLUMNS,
      data: (record) => toPlainData(AuditRecordSchema, record),
      items: auditRecords({ shell, session, filter, limit }),
    });
  });
}

/** An instant, or a duration back from now; milliseconds of wall time. */
function parseSince(text: string, clock: Clock): number {
  try {
    return /^\d/.test(text) && !/[-:]/.test(text)
      ? Math.max(0, Math.floor(clock.wallMs()) - parseDurationMs(text, ""))
      : parseInstant(text, "");
  } catch {
    throw new InvalidArgumentError(
      "Give a duration like 2h or 14d, or an instant like 2026-12-01T21:00:00Z.",
    );
  }
}
