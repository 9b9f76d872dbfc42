// SPDX-License-Identifier: Apache-2.0
/**
 * What a gateway counts, under `muster_gateway_…` with the unit in the name. Labels are closed sets
 * (never a device), so the number of series does not grow with the fleet. Gauges are read when
 * somebody scrapes; the counters of the hot path are bound once.
 */
import { Counter, Gauge, type Aggregator, type Registry } from "prom-client";
import type { CapPlace } from "./artifacts/pacer.ts";
import { codeText } from "../protocol/coap/codes.ts";
import { UP_CHANNELS, type UpChannel } from "../protocol/device/topics.ts";
import { IntakeResult } from "./pipeline/intake-result.ts";
import { CLOSE_CAUSES, type CloseCause } from "./sessions/device-link.ts";

const PREFIX = "muster_gateway";

/** Row: IntakeResult. */
const INTAKE_RESULTS: readonly string[] = Object.keys(IntakeResult).map((name) =>
  name.toLowerCase(),
);

export type OfferOutcome = "sent" | "withdrawn" | "returned" | "refused" | "too_large";
export type UplinkOutcome = "welcomed" | "failed";
export type ArtifactFetchOutcome = "stored" | "missing" | "untrusted" | "no_space" | "unavailable";
/** `damaged` is one that is then fetched again. */
export type ChunkOutcome = "kept" | "fetched" | "damaged";

export type ConnectionRefusal = "busy";

export type CoapIgnored = "too large" | "malformed" | "no request" | "duplicate" | "replay";

/** Read at scrape time. */
export interface GatewayGauges {
  readonly sessions: () => number;
  readonly connections: () => number;
  readonly heldReports: () => number;
  readonly heldReportBytes: () => number;
  readonly keptSessions: () => number;
  readonly leases: () => number;
  readonly leaseEntries: () => number;
  readonly uplinkConnected: () => number;
  readonly cacheBytes: () => number;
  readonly chunkCacheBytes: () => number;
  readonly eventLoopLagMs: () => number;
  /** From 0 to 1. */
  readonly eventLoopUse: () => number;
  readonly backlog: () => number;
  /** 0 or 1. */
  readonly backlogExceeded: () => number;
  readonly slowedDevices: () => number;
  readonly suspectAddresses: () => number;
  readonly waitingConnections: () => number;
  readonly connectionRate: () => number;
}

interface BoundCounter {
  inc(count?: number): void;
}

export class GatewayMetrics {
  readonly #registry: Registry;
  readonly #taken: Readonly<Record<UpChannel, readonly BoundCounter[]>>;
  readonly #shed: BoundCounter;
  readonly #closes: ReadonlyMap<CloseCause, BoundCounter>;
  readonly #connects: Counter;
  readonly #connectionsRefused: Counter;
  readonly #tlsFailures: Counter;
  readonly #topicViolations: Counter;
  readonly #coapIgnored: Counter;
  readonly #coapAnswers: Counter;
  /** By code, bound at its first use. */
  readonly #coapAnswersByCode = new Map<number, BoundCounter>();
  readonly #offers: Counter;
  readonly #uplink: Counter;
  readonly #artifactRequests: Counter;
  readonly #artifactFetches: Counter;
  readonly #chunks: Counter;
  readonly #capped: Counter;
  readonly #enrolments: Counter;

  constructor(options: { registry: Registry }) {
    this.#registry = options.registry;
    const messages = this.#counter("messages_total", "Messages of devices.", "channel", "result");
    const bind = (channel: UpChannel): readonly BoundCounter[] =>
      INTAKE_RESULTS.map((result) => messages.labels(channel, result));
    this.#taken = Object.fromEntries(
      UP_CHANNELS.map((channel) => [channel, bind(channel)]),
    ) as Record<UpChannel, readonly BoundCounter[]>;
    this.#shed = this.#counter(
      "telemetry_shed_total",
      "Lines of devices that were forgotten, because there was too much to do.",
    );
    const closes = this.#counter("closes_total", "Connections that ended, by cause.", "cause");
    this.#closes = new Map(CLOSE_CAUSES.map((cause) => [cause, closes.labels(cause)]));
    this.#connects = this.#counter("connects_total", "Answers to CONNECT, by reason.", "reason");
    this.#connectionsRefused = this.#counter(
      "connections_refused_total",
      "Connections that were closed before their first byte, by reason.",
      "reason",
    );
    this.#tlsFailures = this.#counter("tls_failures_total", "TLS handshakes that failed.", "code");
    this.#topicViolations = this.#counter(
      "topic_violations_total",
      "Uses of a topic that is not the device's own.",
      "packet",
    );
    this.#coapIgnored = this.#counter(
      "coap_ignored_total",
      "CoAP messages that went no further, by reason.",
      "reason",
    );
    this.#coapAnswers = this.#counter("coap_answers_total", "Answers over CoAP, by code.", "code");
    this.#offers = this.#counter("offers_total", "Entries of plan leases, by outcome.", "outcome");
    this.#uplink = this.#counter("uplink_streams_total", "Streams to the center.", "outcome");
    this.#artifactRequests = this.#counter(
      "artifact_requests_total",
      "Requests to the artifact listener, by HTTP status.",
      "status",
    );
    this.#artifactFetches = this.#counter(
      "artifact_fetches_total",
      "Blobs fetched from the center, by outcome.",
      "outcome",
    );
    this.#chunks = this.#counter("chunks_total", "Chunks asked for, by outcome.", "outcome");
    this.#capped = this.#counter(
      "capped_bytes_total",
      "Bytes sent under a cap of their rollout, by where it is counted.",
      "place",
    );
    this.#enrolments = this.#counter(
      "enrolment_connections_total",
      "Connections for the center's enrolment listener, by outcome.",
      "outcome",
    );
  }

  messageTaken(channel: UpChannel, result: IntakeResult): void {
    this.#taken[channel][result]?.inc();
  }

  telemetryShed(): void {
    this.#shed.inc();
  }

  connectionClosed(cause: CloseCause): void {
    this.#closes.get(cause)?.inc();
  }

  /** `reason` is the name of an MQTT reason code. */
  connectAnswered(reason: string): void {
    this.#connects.inc({ reason });
  }

  connectionRefused(reason: ConnectionRefusal): void {
    this.#connectionsRefused.inc({ reason });
  }

  /** `code` is Node's or OpenSSL's error code: a closed set of theirs. */
  tlsFailed(code: string): void {
    this.#tlsFailures.inc({ code });
  }

  topicViolated(packet: "publish" | "subscribe"): void {
    this.#topicViolations.inc({ packet });
  }

  coapIgnored(reason: CoapIgnored): void {
    this.#coapIgnored.inc({ reason });
  }

  /** `code` as in the message; the gateway uses a closed set. */
  coapAnswered(code: number): void {
    let counter = this.#coapAnswersByCode.get(code);
    if (counter === undefined) {
      counter = this.#coapAnswers.labels(codeText(code));
      this.#coapAnswersByCode.set(code, counter);
    }
    counter.inc();
  }

  offersEnded(outcome: OfferOutcome, count: number): void {
    if (count > 0) this.#offers.inc({ outcome }, count);
  }

  uplinkEnded(outcome: UplinkOutcome): void {
    this.#uplink.inc({ outcome });
  }

  artifactRequested(status: number): void {
    this.#artifactRequests.inc({ status: String(status) });
  }

  artifactFetched(outcome: ArtifactFetchOutcome): void {
    this.#artifactFetches.inc({ outcome });
  }

  chunkServed(outcome: ChunkOutcome): void {
    this.#chunks.inc({ outcome });
  }

  capPaid(place: CapPlace, byteCount: number): void {
    this.#capped.inc({ place }, byteCount);
  }

  enrolmentCarried(outcome: "carried" | "busy" | "unreachable"): void {
    this.#enrolments.inc({ outcome });
  }

  /** Once, when everything that is measured exists. */
  observe(gauges: GatewayGauges): void {
    this.#gauge("sessions", "Devices with an open session.", gauges.sessions);
    this.#gauge("connections", "Sockets, those before CONNECT included.", gauges.connections);
    this.#gauge("held_reports", "Reports the center has not confirmed.", gauges.heldReports);
    this.#gauge("held_report_bytes", "Memory of those reports.", gauges.heldReportBytes);
    this.#gauge("kept_sessions", "MQTT sessions without a connection.", gauges.keptSessions);
    this.#gauge("plan_leases", "Plan leases held.", gauges.leases);
    this.#gauge("plan_lease_entries", "Open entries of those leases.", gauges.leaseEntries);
    this.#gauge("uplink_connected", "1 while the center answers.", gauges.uplinkConnected, "min");
    this.#gauge("artifact_cache_bytes", "Size of the artifact cache.", gauges.cacheBytes);
    this.#gauge("chunk_cache_bytes", "Size of the chunk cache.", gauges.chunkCacheBytes);
    this.#gauge(
      "event_loop_lag_seconds",
      "How late the latest presence tick was.",
      () => gauges.eventLoopLagMs() / 1_000,
      "max",
    );
    this.#gauge(
      "event_loop_use_ratio",
      "Part of the latest quarter of a second in which the event loop was busy.",
      gauges.eventLoopUse,
      "max",
    );
    this.#gauge("backlog", "What waits for the center, of all kinds.", gauges.backlog);
    this.#gauge(
      "backlog_exceeded",
      "1 while so much waits for the center that devices are told to send fewer heartbeats.",
      gauges.backlogExceeded,
      "max",
    );
    this.#gauge(
      "slowed_devices",
      "Devices that were told to send fewer heartbeats.",
      gauges.slowedDevices,
    );
    this.#gauge(
      "suspect_addresses",
      "Addresses from which the protocol was broken within a minute.",
      gauges.suspectAddresses,
    );
    this.#gauge(
      "waiting_connections",
      "Sockets that wait for their turn, their first byte unread.",
      gauges.waitingConnections,
    );
    this.#gauge(
      "connection_rate",
      "Connections a second that begin while others wait.",
      gauges.connectionRate,
    );
  }

  #counter(name: string, help: string, ...labelNames: string[]): Counter {
    const registers = [this.#registry];
    return new Counter({ name: `${PREFIX}_${name}`, help, labelNames, registers });
  }

  /** `aggregator`: what the gauges of several workers are as one. */
  #gauge(name: string, help: string, read: () => number, aggregator: Aggregator = "sum"): void {
    const gauge: Gauge = new Gauge({
      name: `${PREFIX}_${name}`,
      help,
      aggregator,
      registers: [this.#registry],
      collect: () => gauge.set(read()),
    });
  }
}
