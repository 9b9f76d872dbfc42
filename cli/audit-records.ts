// SPDX-License-Identifier: Apache-2.0
/** The audit log, record by record. */
import type { AuditRecord } from "../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "./client.ts";
import { listItems } from "./paging.ts";
import type { Shell } from "./shell.ts";

/** The most that a page holds. */
const PAGE_RECORDS = 1_000;

/** Which records are listed; "" and 0 = whichever. */
export interface AuditFilter {
  /** "" = of all that the operator may see. */
  readonly tenant: string;
  readonly afterSequence: bigint;
  readonly beforeSequence: bigint;
  readonly newestFirst: boolean;
  readonly subject: string;
  readonly actor: string;
  readonly sinceMs: bigint;
}

/** Those that meet the filter, up to `limit` (0 = all). */
export function auditRecords(options: {
  shell: Pick<Shell, "stderr">;
  session: Session;
  filter: AuditFilter;
  limit: number;
}): AsyncGenerator<AuditRecord> {
  const { shell, session, filter, limit } = options;
  return listItems({
    shell,
    limit,
    which: filter.newestFirst ? "newest" : "oldest",
    fetch: async (page) => {
      const request = { ...filter, ...page };
      const { records, nextPageToken } = await session.client.listAudit(request, session.call);
      return { items: records, nextPageToken };
    },
  });
}

/**
 * Every record of every tenant, the oldest first. Asked for by sequence alone, so that a center
 * which knows no page tokens gives all of them, too: what is left out would count as verified.
 */
export async function* wholeAuditLog(session: Session): AsyncGenerator<AuditRecord> {
  for (let afterSequence = 0n; ;) {
    const request = { afterSequence, pageSize: PAGE_RECORDS };
    const { records } = await session.client.listAudit(request, session.call);
    const last = records.at(-1);
    if (last === undefined) return;
    yield* records;
    afterSequence = last.sequence;
  }
}
