// SPDX-License-Identifier: Apache-2.0
/**
 * GatewayLink on the center: one stream a gateway. Its certificate says who it is; its hello must
 * say the same. Reports are acknowledged after the EventLog has them, and not before.
 */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ConnectRequest,
  ConnectResponse,
  DeviceHelloBatch,
  DeviceStateBatch,
  FetchOscoreKeysResponseSchema,
  GatewayHello,
  GatewayLink,
  LeaseReturn,
  PackedStateBatch,
  StopAcknowledgement,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { toMusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import { LINK_VERSION } from "../../protocol/link/link-version.ts";
import {
  packStates,
  readStateColumns,
  type StateColumns,
} from "../../protocol/link/state-columns.ts";
import { MAX_CONTEXTS, type OscoreCredentials } from "../devices/oscore-credentials.ts";
import type { HelloKeeper } from "../devices/hello-keeper.ts";
import { packedReports, unpackedReports } from "../ingest/report-record.ts";
import type { LeaseDesk } from "../rollouts/lease-desk.ts";
import type { LoopInbox } from "../rollouts/loop-inbox.ts";
import type { StopLedger } from "../rollouts/stop-ledger.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import { cutChunk } from "./chunk-cutter.ts";
import { MAX_WORKERS, workerName } from "../../protocol/link/gateway-worker.ts";
import type { GatewayRegistry } from "./gateway-registry.ts";
import { capsMessage, type LinkHub, type RolloutBandwidthCaps } from "./link-hub.ts";
import { LinkStream } from "./link-stream.ts";
import { PEER } from "./peer.ts";
import type { Relief } from "./relief.ts";
import { ReportIntake, type ReportIntakeOptions } from "./report-intake.ts";
import type { SessionDesk } from "./session-desk.ts";

export interface GatewayLinkOptions extends ReportIntakeOptions {
  readonly registry: GatewayRegistry;
  readonly relief: Relief;
  readonly hub: LinkHub;
  readonly sessions: SessionDesk;
  readonly fleet: FleetTable;
  readonly desk: LeaseDesk;
  readonly inbox: LoopInbox;
  readonly stops: Pick<StopLedger, "acknowledged">;
  readonly hellos: HelloKeeper;
  readonly oscore: Pick<OscoreCredentials, "give">;
  readonly artifacts: ArtifactStore;
  /** Of open rollouts that have one: a gateway that was away may have missed it. */
  readonly stopEpochs: () => Iterable<{ rollout: number; stopEpoch: number }>;
  /** Of open rollouts that have caps. */
  readonly bandwidths: () => Iterable<RolloutBandwidthCaps>;
  readonly trustFiles: () => readonly { name: string; bytes: Uint8Array }[];
  readonly heartbeatIntervalMs: number;
  readonly missesAllowed: number;
  readonly incarnation: string;
}

const CHUNK_BYTES = 256 * 1_024;

export function gatewayLink(options: GatewayLinkOptions): ServiceImpl<typeof GatewayLink> {
  return {
    connect: (requests, context) => serveStream(options, requests, context),
    fetchArtifact: async function* (request, context) {
      requireGateway(context);
      const { artifacts } = options;
      const facts = await artifacts.stat(request.sha256, { signal: context.signal });
      if (facts === null) throw new ConnectError("no such artifact", Code.NotFound);
      const start = Number(request.startOffset);
      let first = true;
      const chunks = artifacts.read(request.sha256, { start, signal: context.signal });
      for await (const bytes of chunks) {
        for (let offset = 0; offset < bytes.length; offset += CHUNK_BYTES) {
          const totalBytes = first ? BigInt(facts.lengthBytes) : 0n;
          first = false;
          yield { totalBytes, data: bytes.subarray(offset, offset + CHUNK_BYTES) };
        }
      }
      if (first) yield { totalBytes: BigInt(facts.lengthBytes), data: new Uint8Array() };
    },
    fetchChunk: async (request, context) => {
      requireGateway(context);
      return { data: await cutChunk(options.artifacts, request, context.signal) };
    },
    fetchOscoreKeys: (request, context) => {
      requireGateway(context);
      return giveKeys(options.oscore, request.senderIds, context.signal);
    },
    fetchTrust: (_request, context) => {
      requireGateway(context);
      return { files: options.trustFiles().map(({ name, bytes }) => ({ name, data: bytes })) };
    },
  };
}

async function giveKeys(
  oscore: GatewayLinkOptions["oscore"],
  senderIds: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<MessageInitShape<typeof FetchOscoreKeysResponseSchema>> {
  if (senderIds.length > MAX_CONTEXTS) {
    throw new ConnectError(`at most ${MAX_CONTEXTS} sender ids at once`, Code.InvalidArgument);
  }
  const contexts = await oscore.give(senderIds, signal);
  return {
    tenants: contexts.map((context) => context?.tenant ?? ""),
    devices: contexts.map((context) => context?.device ?? ""),
    keys: contexts.map((context) => context?.keys ?? new Uint8Array(0)),
    firstNumbers: contexts.map((context) => BigInt(context?.firstNumber ?? 0)),
    numberCounts: contexts.map((context) => context?.numberCount ?? 0),
  };
}

function requireGateway(context: HandlerContext): { region: string; gateway: string } {
  const peer = context.values.get(PEER);
  if (peer?.role === "gateway") return peer;
  throw new ConnectError(
    "GatewayLink wants the certificate of a gateway of this installation",
    Code.Unauthenticated,
  );
}

async function* serveStream(
  options: GatewayLinkOptions,
  requests: AsyncIterable<ConnectRequest>,
  context: HandlerContext,
): AsyncGenerator<ConnectResponse> {
  const peer = requireGateway(context);
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true || first.value.kind.case !== "hello") {
    throw new ConnectError("the first message of a stream is a hello", Code.InvalidArgument);
  }
  const stream = await greet(options, peer, first.value.kind.value, context.signal);
  const receiving = receive(options, stream, iterator, context.signal);
  try {
    yield* stream.outgoing();
  } finally {
    if (options.hub.detach(stream)) {
      options.desk.dropGateway(stream.gatewayNumber);
      options.registry.setOnline(stream.gateway, false);
    }
    await receiving;
  }
}

async function greet(
  options: GatewayLinkOptions,
  peer: { region: string; gateway: string },
  hello: GatewayHello,
  signal: AbortSignal,
): Promise<LinkStream> {
  if (hello.gateway !== peer.gateway || hello.region !== peer.region) {
    throw new ConnectError(
      `the certificate is of gateway ${peer.gateway} in ${peer.region}, ` +
        `the hello says ${hello.gateway} in ${hello.region}`,
      Code.PermissionDenied,
    );
  }
  if (hello.worker > MAX_WORKERS) {
    throw new ConnectError(
      `gateway ${hello.gateway} has a worker ${hello.worker}; there are at most ${MAX_WORKERS}`,
      Code.InvalidArgument,
    );
  }
  const name = workerName(hello.gateway, hello.worker);
  const gatewayNumber = await options.registry.register(
    {
      gateway: name,
      region: hello.region,
      ip: hello.ip,
      services: hello.services.map(({ name, port }) => ({ name, port })),
      version: hello.version,
      connectionLimit: hello.connectionLimit,
    },
    signal,
  );
  const stream = new LinkStream(name, gatewayNumber, hello.linkVersion);
  options.desk.dropGateway(gatewayNumber);
  options.hub.attach(stream);
  stream.send({
    case: "welcome",
    value: {
      gatewayNumber,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      missesAllowed: options.missesAllowed,
      centerIncarnation: options.incarnation,
      linkVersion: LINK_VERSION,
    },
  });
  // Leases of before are not known any more: what was offered is leased anew.
  stream.send({
    case: "leaseRenewal",
    value: { leaseIds: [], timeToLiveMs: 0, revokedLeaseIds: hello.heldLeaseIds },
  });
  for (const { rollout, stopEpoch } of options.stopEpochs()) {
    stream.send({ case: "stopEpoch", value: { rollout, stopEpoch: BigInt(stopEpoch) } });
  }
  const caps = Array.from(options.bandwidths(), capsMessage);
  if (caps.length > 0) stream.send({ case: "rolloutBandwidth", value: { caps } });
  options.hub.tellSiblings(options.registry);
  options.logger.info("a gateway connected", { gateway: name, region: hello.region });
  return stream;
}

/** Reads until the gateway ends or is cut off; a failure ends the stream, the gateway returns. */
async function receive(
  options: GatewayLinkOptions,
  stream: LinkStream,
  requests: AsyncIterator<ConnectRequest>,
  signal: AbortSignal,
): Promise<void> {
  const intake = new ReportIntake(options, stream);
  try {
    while (!stream.isEnded) {
      const next = await requests.next();
      if (next.done === true) break;
      await handle(options, stream, intake, next.value, signal);
    }
  } catch (error) {
    const failure = toMusterError(error, "serving a gateway's stream");
    options.logger.warn("a gateway's stream broke", { gateway: stream.gateway, error: failure });
  }
  stream.end();
}

async function handle(
  options: GatewayLinkOptions,
  stream: LinkStream,
  intake: ReportIntake,
  message: ConnectRequest,
  signal: AbortSignal,
): Promise<void> {
  const { kind } = message;
  options.registry.heard(stream.gateway, options.fleet.countOf(stream.gatewayNumber));
  switch (kind.case) {
    case "sessionOpen":
      return options.sessions.open(stream, kind.value, signal);
    case "sessionClose":
      options.sessions.close(kind.value);
      return;
    case "deviceState":
      return takeUnpackedStates(options, stream, kind.value);
    case "packedStates":
      return takePackedStates(options, stream, kind.value);
    case "deviceHello":
      return takeHellos(options, stream, kind.value, signal);
    case "reports":
      return intake.take(kind.value.batchSequence, unpackedReports(kind.value), signal);
    case "packedReports": {
      const { batchSequence, columns, details } = kind.value;
      return intake.take(batchSequence, packedReports(columns, details), signal);
    }
    case "leaseReturn":
      takeReturns(options, kind.value);
      return;
    case "stopAcknowledgement":
      takeStopAcknowledgement(options, stream, kind.value);
      return;
    case "heartbeat": {
      const places = options.relief.placesFor(stream.gatewayNumber);
      if (places !== null) stream.send({ case: "relief", value: { places } });
      return;
    }
    default: // unknown kinds are of a newer version
  }
}

function takeUnpackedStates(
  options: GatewayLinkOptions,
  stream: LinkStream,
  batch: DeviceStateBatch,
): Promise<void> {
  const { columns, digests } = packStates(batch);
  return takeStates(options, stream, columns, digests);
}

function takePackedStates(
  options: GatewayLinkOptions,
  stream: LinkStream,
  { columns, digests }: PackedStateBatch,
): Promise<void> {
  const read = readStateColumns(columns);
  if (read !== null) return takeStates(options, stream, read, digests);
  throw new ConnectError("a batch of states has columns of unequal length", Code.InvalidArgument);
}

async function takeStates(
  options: GatewayLinkOptions,
  stream: LinkStream,
  columns: StateColumns,
  digests: readonly string[],
): Promise<void> {
  const { fleet } = options;
  await options.inbox.whenRoom();
  const fences = Float64Array.from(columns.ordinals, (ordinal) =>
    fleet.gatewayOf(ordinal) === stream.gatewayNumber ? fleet.fenceOf(ordinal) : -1,
  );
  options.inbox.put({ kind: "states", columns, digests, fences });
}

async function takeHellos(
  options: GatewayLinkOptions,
  stream: LinkStream,
  batch: DeviceHelloBatch,
  signal: AbortSignal,
): Promise<void> {
  const items = batch.ordinals
    .map((ordinal, index) => ({
      ordinal,
      agent: batch.agents[index] ?? "",
      inventoryJson: batch.inventoriesJson[index] ?? "{}",
      features: (batch.features[index] ?? "").split(" "),
    }))
    .filter(({ ordinal }) => options.fleet.gatewayOf(ordinal) === stream.gatewayNumber);
  await options.hellos.keep(items, signal);
  await options.inbox.whenRoom();
  for (const { ordinal, features } of items) {
    const fence = options.fleet.fenceOf(ordinal);
    options.inbox.put({ kind: "hello", ordinal, fence, features });
  }
}

function takeStopAcknowledgement(
  options: GatewayLinkOptions,
  { gateway }: LinkStream,
  { rollout, stopEpoch, counts }: StopAcknowledgement,
): void {
  const facts = { rollout, stopEpoch: Number(stopEpoch) };
  options.logger.info("a gateway withholds a rollout's offers", { gateway, ...facts });
  options.stops.acknowledged(gateway, { ...facts, counts });
}

function takeReturns(options: GatewayLinkOptions, batch: LeaseReturn): void {
  batch.positions.forEach((position, index) => {
    options.inbox.put({
      kind: "return",
      leaseId: batch.leaseId,
      rollout: batch.rollout,
      position,
      generation: batch.generations[index] ?? 0,
      sent: batch.sent[index] ?? true,
    });
  });
}
