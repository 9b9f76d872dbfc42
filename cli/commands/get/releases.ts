// SPDX-License-Identifier: Apache-2.0
/** `muster get releases [NAME[@VERSION]]`. */
import type { Command } from "commander";
import { ReleaseSchema, type Release } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession, type Session } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addLimitOption,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { toPlainData } from "../../output/plain-data.ts";
import { printList } from "../../output/print.ts";
import { listItems } from "../../paging.ts";
import type { Shell } from "../../shell.ts";
import { RELEASE_COLUMNS } from "../../views/tables.ts";

type Options = ConnectionOptions & OutputOptions & { readonly limit: number };

export function declare(command: Command, shell: Shell): void {
  command.argument("[name]", "only releases of this name, or this name@version");
  addLimitOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster get releases", "All releases, by name"],
    ["muster get releases shop", "The versions of one"],
  ]);
  command.action(async (name: string | undefined, options: Options) => {
    const session = await openSession(shell, options);
    await printList({
      shell,
      format: options.output,
      columns: RELEASE_COLUMNS,
      data: (release) => toPlainData(ReleaseSchema, release),
      items: filtered(listReleases(shell, session, name === undefined ? options.limit : 0), name),
    });
  });
}

function listReleases(shell: Shell, session: Session, limit: number): AsyncGenerator<Release> {
  return listItems({
    shell,
    limit,
    fetch: async (page) => {
      const request = { tenant: session.tenant, ...page };
      const response = await session.client.listReleases(request, session.call);
      return { items: response.releases, nextPageToken: response.nextPageToken };
    },
  });
}

async function* filtered(
  releases: AsyncIterable<Release>,
  name: string | undefined,
): AsyncGenerator<Release> {
  for await (const release of releases) {
    const full = `${release.name}@${release.version}`;
    if (name === undefined || name === release.name || name === full) yield release;
  }
}
