// SPDX-License-Identifier: Apache-2.0
/**
 * Serves one artifact as a gateway does, whole, by index and by chunk, and plain files from a
 * folder; counts every byte of every connection, both ways.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { compressChunk } from "../../../protocol/chunks/chunk.ts";
import type { ChunkIndex } from "../../../protocol/chunks/chunk-index.ts";

/** An archive, its digest, and its chunk index. */
export interface BenchArchive {
  readonly blob: Buffer;
  readonly sha256: string;
  readonly index: ChunkIndex;
  readonly indexSha256: string;
}

export class BenchServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets: Set<Socket>;

  private constructor(server: ReturnType<typeof createServer>, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(folder: string, archive: BenchArchive): Promise<BenchServer> {
    const server = createServer((request, response) => {
      void answer(folder, archive, request, response);
    });
    const sockets = new Set<Socket>();
    server.on("connection", (socket) => sockets.add(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new BenchServer(server, sockets);
  }

  /** Of all connections so far, headers and all. */
  get movedBytes(): number {
    let sum = 0;
    for (const { bytesRead, bytesWritten } of this.#sockets) sum += bytesRead + bytesWritten;
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  folder: string,
  { blob, sha256, index, indexSha256 }: BenchArchive,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url ?? "";
  if (path === `/artifacts/sha256/${sha256}`) return void response.end(blob);
  if (path === `/artifacts/sha256/${indexSha256}`) return void response.end(index.bytes);
  const id = /\/chunks\/\w{64}\/\w{4}\/(\w{64})\.cacnk$/.exec(path)?.[1];
  const position = id === undefined ? -1 : index.find(id);
  if (position !== -1) {
    const bytes = blob.subarray(index.start(position), index.end(position));
    return void response.end(compressChunk(bytes));
  }
  const file = await readFile(join(folder, path)).catch(() => null);
  if (file === null) response.writeHead(404);
  response.end(file ?? "");
}
