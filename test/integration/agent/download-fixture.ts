// SPDX-License-Identifier: Apache-2.0
/** Downloads over real HTTP: a gateway that answers as a test says, and the agent's downloader. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { ArtifactDownloader } from "../../../agent/download/artifact-downloader.ts";
import { httpsBlobSource } from "../../../agent/download/https-blob-source.ts";
import type { Files } from "../../../agent/files/files.ts";
import { systemFiles } from "../../../agent/files/system-files.ts";
import type { GatewayAddress } from "../../../agent/link/gateway-address.ts";
import type { StreamDialer } from "../../../agent/link/mqtt-dialer.ts";
import { GatewayCandidates } from "../../../agent/link/gateway-candidates.ts";
import { dataLayout } from "../../../agent/slots/slot-layout.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { Random } from "../../../ports/random.ts";
import { systemClock } from "../../../runtime/system-clock.ts";

const noPause: Random = { next: () => 0, bytes: (length) => new Uint8Array(length) };

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A gateway that answers as told; `asked` has the Range header of each request. */
export async function gatewayOf(
  context: Pick<TestContext, "after">,
  answer: Answer,
): Promise<{ address: GatewayAddress; asked: (string | undefined)[] }> {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { address: { host: "127.0.0.1", mqttsPort: 1, artifactsPort: port }, asked };
}

const overTcp: StreamDialer = ({ host, port }) =>
  new Promise((resolve) => {
    const stream = connect(port, host, () => resolve(stream));
  });

/** A downloader on a real disk, with TCP where TLS would be. */
export function downloader(
  folder: string,
  gateways: readonly GatewayAddress[],
  options: {
    files?: Files;
    onBytes?: (byteCount: number) => void;
    openStream?: StreamDialer;
  } = {},
): ArtifactDownloader {
  const layout = dataLayout(folder);
  const { files = systemFiles, onBytes = (): void => {}, openStream = overTcp } = options;
  const shared = { files, random: noPause, logger: SILENT_LOGGER };
  return new ArtifactDownloader({
    ...shared,
    layout,
    clock: systemClock,
    onBytes,
    source: httpsBlobSource({ openStream }),
    candidates: new GatewayCandidates({
      ...shared,
      path: layout.directory,
      gateways,
      fetchDirectory: () => Promise.reject(new Error("never asked")),
    }),
  });
}
