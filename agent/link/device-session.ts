// SPDX-License-Identifier: Apache-2.0
/**
 * What the agent does on one connection: hello, then all waiting reports in order, then heartbeats
 * and whatever is reported. Ends with the connection.
 *
 * Heartbeats in another codec than JSON wait until the gateway has taken the hello that names it. A
 * gateway that refuses it (one of an earlier version) gets a hello with JSON instead, and
 * heartbeats in JSON on this connection.
 *
 * A gateway may want fewer heartbeats for a while (heartbeat-pace.ts). What has changed is said at
 * once all the same, and reports are not heartbeats.
 *
 * Reports leave in order and up to REPORTS_IN_FLIGHT_MAX wait for their acknowledgement, which
 * comes when the center holds them: while the center is away they simply stay in flight. What was
 * not acknowledged on this connection goes again on the next.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Codec } from "../../protocol/codec.ts";
import type { CodecName } from "../../protocol/device/codec-names.ts";
import { heartbeatCodec } from "../../protocol/device/heartbeat-codecs.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";
import type { DeviceHeartbeat, DeviceHello } from "../../protocol/device/status.ts";
import type { Outbox } from "../reports/outbox.ts";
import type { Connection, SendResult } from "./connection.ts";
import type { HeartbeatPace } from "./heartbeat-pace.ts";

/** Below the 32 that a gateway allows a session, with room for hello. */
export const REPORTS_IN_FLIGHT_MAX = 16;

/** What the session asks the agent for. */
export interface SessionSource {
  hello(codec: CodecName): DeviceHello;
  heartbeat(): DeviceHeartbeat;
  /** Calls back when a heartbeat would say something new. Returns how to stop. */
  onChange(listener: () => void): () => void;
}

export interface SessionObserver {
  heartbeatSent(): void;
  reportAcknowledged(report: DeviceReport): void;
}

export interface DeviceSessionOptions {
  readonly connection: Connection;
  readonly source: SessionSource;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: SessionObserver;
  readonly heartbeatIntervalMs: number;
  /** As the gateway of this connection wants it. */
  readonly pace: HeartbeatPace;
  /** Of heartbeats, where the gateway takes it. */
  readonly codec: CodecName;
}

export class DeviceSession {
  readonly #options: DeviceSessionOptions;
  readonly #intervalMs: number;
  readonly #inFlight = new Set<string>();
  /** Refused on this connection; they go again on the next one. */
  readonly #refused = new Set<string>();
  #cancelHeartbeat: CancelTimer = () => {};
  /** null while it is not known which one the gateway takes. */
  #heartbeats: Codec<DeviceHeartbeat> | null;
  /** One was due meanwhile. */
  #isHeartbeatDue = false;
  #isOver = false;

  constructor(options: DeviceSessionOptions) {
    this.#options = options;
    const serverMs = options.connection.serverKeepAliveMs;
    // The server counts three misses too: its keep alive is three of our intervals.
    this.#intervalMs = serverMs === null ? options.heartbeatIntervalMs : Math.ceil(serverMs / 3);
    this.#heartbeats = options.codec === "json" ? heartbeatCodec("json") : null;
  }

  /** Resolves, with the reason, when the connection is over; `stop` closes it. */
  async run(stop: AbortSignal): Promise<string> {
    const { connection, source, outbox, pace } = this.#options;
    const close = (): void => void connection.close();
    stop.addEventListener("abort", close, { once: true });
    if (stop.aborted) close();
    void this.#sayHello();
    this.#sendReports();
    this.#scheduleHeartbeat();
    const stopReports = outbox.onPending(() => this.#sendReports());
    const stopChanges = source.onChange(() => this.#sendHeartbeat());
    const stopPace = pace.onChange(() => this.#scheduleHeartbeat());
    const reason = await connection.closed;
    this.#isOver = true;
    this.#cancelHeartbeat();
    stopReports();
    stopChanges();
    stopPace();
    pace.reset();
    stop.removeEventListener("abort", close);
    return reason;
  }

  async #sayHello(): Promise<void> {
    const { logger } = this.#options;
    let { codec } = this.#options;
    let result = await this.#sendHello(codec);
    if (codec !== "json" && result.kind !== "taken") {
      codec = "json";
      if (result.kind === "refused") result = await this.#sendHello(codec);
    }
    if (result.kind !== "lost") this.#sendReports();
    this.#heartbeats ??= heartbeatCodec(codec);
    if (this.#isHeartbeatDue) this.#sendHeartbeat();
    if (codec === this.#options.codec || result.kind !== "taken") return;
    logger.warn("Heartbeats are JSON on this connection.", { wanted: this.#options.codec });
  }

  async #sendHello(codec: CodecName): Promise<SendResult> {
    const { connection, source, logger } = this.#options;
    const payload = encode(source.hello(codec));
    const result = await connection.send({ channel: "hello", payload, durable: true });
    if (result.kind === "refused")
      logger.warn("The gateway refused the hello.", { codec, why: result.why });
    return result;
  }

  #scheduleHeartbeat(): void {
    const { clock, pace } = this.#options;
    this.#cancelHeartbeat();
    const intervalMs = Math.max(this.#intervalMs, pace.leastMs);
    this.#cancelHeartbeat = clock.setTimer(intervalMs, this.#onHeartbeat);
  }

  readonly #onHeartbeat = (): void => {
    if (this.#isOver) return;
    this.#sendHeartbeat();
    this.#scheduleHeartbeat();
  };

  /** Best effort: what is lost is said again by the next one. */
  #sendHeartbeat(): void {
    const { connection, source, observer } = this.#options;
    if (this.#isOver) return;
    this.#isHeartbeatDue = this.#heartbeats === null;
    if (this.#heartbeats === null) return;
    const payload = this.#heartbeats.encode(source.heartbeat());
    void connection.send({ channel: "heartbeat", payload, durable: false });
    observer.heartbeatSent();
  }

  #sendReports(): void {
    for (const report of this.#options.outbox.pending()) {
      if (this.#isOver || this.#inFlight.size >= REPORTS_IN_FLIGHT_MAX) return;
      const key = `${report.rollout}-${report.generation}-${report.sequence}`;
      if (this.#inFlight.has(key) || this.#refused.has(key)) continue;
      this.#inFlight.add(key);
      void this.#sendReport(key, report);
    }
  }

  async #sendReport(key: string, report: DeviceReport): Promise<void> {
    const { connection, outbox, logger, observer } = this.#options;
    const result = await connection.send({
      channel: "report",
      payload: encode(report),
      durable: true,
    });
    if (result.kind === "refused") {
      logger.warn("The gateway refused a report.", { report, why: result.why });
      this.#refused.add(key);
    }
    try {
      // What will never be taken must not block what would be.
      const isDone = result.kind === "taken" || (result.kind === "refused" && result.isFinal);
      if (isDone) await outbox.acknowledge(report);
      if (result.kind === "taken") observer.reportAcknowledged(report);
    } catch (error) {
      // It goes again on the next connection, and the center knows its sequence.
      logger.warn("An acknowledged report could not be removed from the disk.", { error });
      this.#refused.add(key);
    }
    this.#inFlight.delete(key);
    // What was lost goes again when something else is acknowledged, or on the next connection; at
    // once would be for ever on a connection that is over.
    if (result.kind !== "lost") this.#sendReports();
  }
}

function encode(message: DeviceHello | DeviceReport): Uint8Array {
  return Buffer.from(JSON.stringify(message), "utf8");
}
