// SPDX-License-Identifier: Apache-2.0
/**
 * A center as far as a gateway sees it: GatewayLink over mutual TLS, everything that the gateway
 * said on a list, everything it hears decided by the test. It can go away, and come back on the
 * same port.
 */
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  ConnectResponseSchema,
  GatewayLink,
  type ConnectRequest,
  type ConnectResponse,
  type SessionOpenBatch,
} from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { compressChunk } from "../../../protocol/chunks/chunk.ts";
import { listen } from "../../../runtime/listen.ts";
import { Wakening } from "../../../gateway/uplink/wakening.ts";
import type { KeyAndCertificate } from "./fixture-authority.ts";

type Said = Exclude<ConnectRequest["kind"], { case: undefined }>;
type Answer = Exclude<ConnectResponse["kind"], { case: undefined }>;

/** The message of one kind. */
export type SaidOf<Case extends Said["case"]> = Extract<Said, { case: Case }>["value"];

interface Stream {
  readonly queue: Answer[];
  readonly wakening: Wakening;
}

export class FakeCenter {
  /** Everything that came, over all streams. */
  readonly said: Said[] = [];
  readonly artifacts: Map<string, Buffer> = new Map();
  trustFiles: { name: string; data: Uint8Array }[] = [];
  /** Certificates that may not be used any more. */
  readonly revokedSerials: Set<string> = new Set();
  /** `tenant/device` → ordinal; whoever is not here is refused. */
  /** By device id, as grants name it. */
  readonly sites: Map<string, number> = new Map();
  readonly ordinals: Map<string, number> = new Map();
  /** Device ids, as grants say it. */
  readonly critical: Set<string> = new Set();
  /** A center of before `critical` does not say it of anybody. */
  saysWhoIsCritical = true;
  /** Acknowledges each report batch at once. */
  acknowledgesReports = true;
  /** Grants each session at once. */
  grantsSessions = true;
  fetchCount = 0;
  chunkFetchCount = 0;
  /** A center of before chunks answers otherwise. */
  cutsChunks = true;
  streamCount = 0;
  port = 0;
  readonly #identity: KeyAndCertificate;
  #server: Http2SecureServer | null = null;
  readonly #sockets = new Set<Socket>();
  #stream: Stream | null = null;
  #nextFence = 1n;

  constructor(options: { identity: KeyAndCertificate }) {
    this.#identity = options.identity;
  }

  /** Opens the listener; after the first time on the same port. */
  async start(): Promise<void> {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(GatewayLink, {
          connect: (requests, context) => this.#serve(requests, context.signal),
          fetchArtifact: (request) => this.#fetch(request.sha256, Number(request.startOffset)),
          fetchChunk: (request) => this.#cut(request),
          fetchTrust: () => ({ files: this.trustFiles }),
        });
      },
    });
    const { key, cert, ca } = this.#identity;
    const tls = { key, cert, ca, requestCert: true, minVersion: "TLSv1.3" as const };
    const server = createSecureServer(tls, handler);
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.port = await listen(server, { what: "fake", host: "127.0.0.1", port: this.port });
    this.#server = server;
  }

  /** Gone from one moment to the next, as by `kill -9`. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#stream = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** To the gateway that was welcomed last. */
  send(answer: Answer, stream: Stream | null = this.#stream): void {
    stream?.queue.push(answer);
    stream?.wakening.wake();
  }

  get hasStream(): boolean {
    return this.#stream !== null;
  }

  /** The messages of one kind, oldest first. */
  saidOf<Case extends Said["case"]>(kind: Case): SaidOf<Case>[] {
    return this.said.flatMap((message) =>
      message.case === kind ? [message.value as SaidOf<Case>] : [],
    );
  }

  async *#serve(
    requests: AsyncIterable<ConnectRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<ConnectResponse> {
    const stream: Stream = { queue: [], wakening: new Wakening() };
    const ended = new AbortController();
    const receiving = this.#receive(requests, stream).finally(() => ended.abort());
    const whole = AbortSignal.any([signal, ended.signal]);
    for (;;) {
      const answer = stream.queue.shift();
      if (answer !== undefined) yield create(ConnectResponseSchema, { kind: answer });
      else if (whole.aborted) break;
      else await stream.wakening.wait(whole);
    }
    await receiving;
  }

  async #receive(requests: AsyncIterable<ConnectRequest>, stream: Stream): Promise<void> {
    try {
      for await (const { kind } of requests) {
        if (kind.case === undefined) continue;
        this.said.push(kind);
        if (kind.case === "hello") this.#welcome(stream);
        else if (kind.case === "sessionOpen") this.#grant(kind.value, stream);
        else if (kind.case === "reports" && this.acknowledgesReports) {
          this.acknowledge(kind.value.batchSequence);
        }
      }
    } catch {
      // The gateway, or this center, went away: what a test looks at is the list.
    }
  }

  acknowledge(batchSequence: bigint): void {
    const $typeName = "muster.v1.ReportAcknowledgement";
    this.send({ case: "reportAcknowledgement", value: { $typeName, batchSequence } });
  }

  #welcome(stream: Stream): void {
    this.#stream = stream;
    this.streamCount += 1;
    const value = {
      $typeName: "muster.v1.Welcome" as const,
      gatewayNumber: 1,
      heartbeatIntervalMs: 5_000,
      missesAllowed: 3,
      centerIncarnation: "fake",
      linkVersion: 0,
    };
    this.send({ case: "welcome", value });
  }

  #grant(batch: SessionOpenBatch, stream: Stream): void {
    if (!this.grantsSessions || batch.localIds.length === 0) return;
    const ordinals = batch.localIds.map((_, index) => {
      if (this.revokedSerials.has(batch.certificateSerials[index] ?? "")) return 0;
      return this.ordinals.get(`${batch.tenants[index]}/${batch.devices[index]}`) ?? 0;
    });
    const value = {
      $typeName: "muster.v1.SessionGrantBatch" as const,
      localIds: batch.localIds,
      ordinals,
      fences: ordinals.map(() => this.#nextFence++),
      refusals: ordinals.map((ordinal) => (ordinal === 0 ? 1 : 0)),
      sites: batch.devices.map((device) => this.sites.get(device) ?? 0),
      critical: this.saysWhoIsCritical
        ? batch.devices.map((device) => this.critical.has(device))
        : [],
    };
    this.send({ case: "sessionGrant", value }, stream);
  }

  #cut(range: { sha256: string; startOffset: bigint; lengthBytes: number }): { data: Uint8Array } {
    if (!this.cutsChunks) throw new ConnectError("unknown call", Code.Unimplemented);
    this.chunkFetchCount += 1;
    const blob = this.artifacts.get(range.sha256);
    if (blob === undefined) throw new ConnectError("no such artifact", Code.NotFound);
    const start = Number(range.startOffset);
    return { data: compressChunk(blob.subarray(start, start + range.lengthBytes)) };
  }

  async *#fetch(
    sha256: string,
    startOffset: number,
  ): AsyncGenerator<{ totalBytes: bigint; data: Uint8Array }> {
    this.fetchCount += 1;
    const blob = this.artifacts.get(sha256);
    if (blob === undefined) throw new ConnectError("no such artifact", Code.NotFound);
    const totalBytes = BigInt(blob.length);
    for (let offset = startOffset; ; offset += 65_536) {
      const isFirst = offset === startOffset;
      const data = blob.subarray(offset, offset + 65_536);
      if (!isFirst && data.length === 0) return;
      yield { totalBytes: isFirst ? totalBytes : 0n, data };
    }
  }
}
