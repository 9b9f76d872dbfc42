// SPDX-License-Identifier: Apache-2.0
/** What the devices of a command's rollout answered, as a table or as data. */
import { AttemptSchema, type Attempt } from "../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "./client.ts";
import type { OutputFormat } from "./output/format.ts";
import { toPlainData } from "./output/plain-data.ts";
import { printList } from "./output/print.ts";
import type { Column } from "./output/table.ts";
import { formatBytes } from "./output/units.ts";
import { listItems } from "./paging.ts";
import type { Shell } from "./shell.ts";
import { firstLine } from "./views/subject.ts";

const COLUMNS: readonly Column<Attempt>[] = [
  { title: "DEVICE", cell: ({ device }) => device },
  { title: "STATE", cell: ({ state }) => state },
  { title: "EXIT", align: "right", cell: ({ exitCode }) => exitCode?.toString() ?? "" },
  { title: "PRINTED", align: "right", cell: ({ outputBytes }) => printedText(outputBytes) },
  { title: "REASON", cell: ({ reason }) => reason },
  { title: "FIRST LINE", cell: ({ output }) => firstLine(output) },
];

function printedText(outputBytes: bigint): string {
  return outputBytes === 0n ? "" : formatBytes(Number(outputBytes));
}

/** True when the command ended with status 0 on every device. */
export async function printAnswers(options: {
  shell: Shell;
  session: Session;
  rollout: string;
  format: OutputFormat;
}): Promise<boolean> {
  const { shell, session, rollout, format } = options;
  let areAllWell = true;
  await printList({
    shell,
    format,
    columns: COLUMNS,
    data: (attempt) => toPlainData(AttemptSchema, attempt),
    items: noticing(
      listItems({
        shell,
        limit: 0,
        fetch: async (page) => {
          const request = { tenant: session.tenant, rollout, withOutput: true, ...page };
          const response = await session.client.listAttempts(request, session.call);
          return { items: response.attempts, nextPageToken: response.nextPageToken };
        },
      }),
      (attempt) => {
        if (attempt.state !== "succeeded") areAllWell = false;
      },
    ),
  });
  return areAllWell;
}

async function* noticing<Item>(
  items: AsyncIterable<Item>,
  notice: (item: Item) => void,
): AsyncGenerator<Item> {
  for await (const item of items) {
    notice(item);
    yield item;
  }
}
