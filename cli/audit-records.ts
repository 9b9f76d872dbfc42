// SPDX-License-Identifier: Apache-2.0
/** The audit log, record by record. It is paged by sequence number, not by token. */
import type { AuditRecord } from "../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "./client.ts";
import { listItems } from "./paging.ts";
import type { Shell } from "./shell.ts";

/** Records after `after`, up to `limit` (0 = all); `tenant` "" = of all tenants. */
export function auditRecords(options: {
  shell: Pick<Shell, "stderr">;
  session: Session;
  tenant: string;
  after: number;
  limit: number;
}): AsyncGenerator<AuditRecord> {
  const { shell, session, tenant, limit } = options;
  return listItems({
    shell,
    limit,
    fetch: async ({ pageSize, pageToken }) => {
      const afterSequence = pageToken === "" ? BigInt(options.after) : BigInt(pageToken);
      const request = { tenant, afterSequence, pageSize };
      const { records } = await session.client.listAudit(request, session.call);
      const last = records.at(-1)?.sequence;
      // A page may be shorter than was asked for; only an empty one is the end.
      return { items: records, nextPageToken: last === undefined ? "" : String(last) };
    },
  });
}
