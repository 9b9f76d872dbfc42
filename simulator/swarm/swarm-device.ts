// SPDX-License-Identifier: Apache-2.0
/**
 * A pretend device on a real socket: carries out the effects of its model.
 *
 *     idle → dialling → open → pausing → dialling …     → muted (socket open, nothing said or read)
 *                                                       → gone  (left for good, or the swarm stops)
 *
 * It is also the clock of its own MQTT session, so that a device that falls silent stops its keep
 * alive too.
 */
import type { TLSSocket } from "node:tls";
import { describeError, isMusterError } from "../../domain/errors.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { withdrawMessageSchema } from "../../protocol/device/offer.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";
import { downTopic, upTopic } from "../../protocol/device/topics.ts";
import type { MqttClientSession } from "../../protocol/mqtt/client.ts";
import type { Publish } from "../../protocol/mqtt/packets.ts";
import { reasonCodeName } from "../../protocol/mqtt/reason-codes.ts";
import { Backoff } from "../../agent/link/backoff.ts";
import { gatewayName } from "../../agent/link/gateway-address.ts";
import type { GatewayAddress } from "../../agent/link/gateway-address.ts";
import { HeartbeatPace } from "../../agent/link/heartbeat-pace.ts";
import type { DeviceModel } from "./device-model.ts";
import { dialGateway, FINAL_REFUSALS, FIRST_FAILURE_CODE } from "./dial-gateway.ts";
import type { WheelMember } from "./heartbeat-wheel.ts";
import type { SwarmIdentity } from "./identity-book.ts";
import { encode, parse } from "./message-json.ts";
import type { Effect } from "./model-effects.ts";
import type { JournalOperation } from "./operation-journal.ts";
import type { Receiver, SwarmContext } from "./swarm-context.ts";
import type { Fetcher } from "./swarm-trust.ts";
import { TlsResumption } from "./tls-resumption.ts";

/** As an agent: below the 32 that a gateway allows, with room for hello. */
const REPORTS_IN_FLIGHT_MAX = 16;
/** A connection that held so long was a good one: the next outage begins with a short pause. */
const STABLE_MS = 5_000;

type State = "idle" | "dialling" | "open" | "pausing" | "muted" | "gone";

export class SwarmDevice implements WheelMember, Receiver, Pick<Clock, "setTimer"> {
  readonly model: DeviceModel;
  wheelBucket = -1;
  #usualIntervalMs: number;
  readonly #pace: HeartbeatPace;
  readonly #context: SwarmContext;
  readonly #identity: SwarmIdentity;
  readonly #backoff: Backoff;
  #state: State = "idle";
  #moveCount = 0;
  #session: MqttClientSession | null = null;
  #transport: TLSSocket | null = null;
  #dialling: AbortController | null = null;
  #cancelPause: CancelTimer = () => {};
  #cancelSessionTimer: CancelTimer = () => {};
  readonly #timers = new Set<CancelTimer>();
  /** Reports sent on this connection and not answered, or refused on it. */
  readonly #sent = new Set<string>();
  /** The model dropped the connection; null = it did not. */
  #dropPauseMs: number | null = null;
  readonly #resumption: TlsResumption | null;

  constructor(options: { context: SwarmContext; model: DeviceModel; identity: SwarmIdentity }) {
    const { context } = options;
    this.#context = context;
    this.model = options.model;
    this.#identity = options.identity;
    this.#usualIntervalMs = context.heartbeatIntervalMs;
    const { clock, random, wheel, backoffCeilingMs: ceilingMs } = context;
    this.#pace = new HeartbeatPace({ clock, logger: SILENT_LOGGER });
    this.#pace.onChange(() => {
      if (this.isConnected) wheel.add(this, 1);
    });
    this.#backoff = new Backoff({ random, ceilingMs });
    const { behaviour } = options.model;
    const comesBack = behaviour === "flaky" || behaviour === "crashing";
    this.#resumption = comesBack ? new TlsResumption() : null;
  }

  get heartbeatIntervalMs(): number {
    return Math.max(this.#usualIntervalMs, this.#pace.leastMs);
  }

  get isConnected(): boolean {
    return this.#state === "open";
  }

  start(): void {
    if (this.model.offlineKind === "never-connects") return;
    this.#carryOut(this.model.start());
    this.#dial();
  }

  /** Says goodbye where there is somebody to say it to. Resolves when the socket is closed. */
  async stop(): Promise<void> {
    const wasMuted = this.#state === "muted";
    this.#leave();
    this.#dialling?.abort();
    if (wasMuted) this.#transport?.destroy();
    await this.#session?.disconnect();
  }

  /** The session's timer. */
  setTimer(delayMs: number, callback: () => void): CancelTimer {
    if (this.#state === "muted") return () => {};
    this.#cancelSessionTimer = this.#context.clock.setTimer(delayMs, callback);
    return this.#cancelSessionTimer;
  }

  /** A heartbeat: best effort. */
  beat(): void {
    if (this.#state !== "open" || this.#session === null) return;
    const { counts, heartbeats } = this.#context;
    counts.heartbeats += 1;
    const payload = heartbeats.encode(this.model.heartbeat());
    void this.#session.publish(this.#topic("heartbeat"), payload, { qos: 0 });
  }

  /** A message from the gateway; acknowledged when this returns. */
  receive(message: Publish): void | Promise<void> {
    const { tenant } = this.#context;
    const { topic, payload } = message;
    if (topic === downTopic(tenant, this.model.device, "config")) return this.#pace.hear(payload);
    if (topic !== downTopic(tenant, this.model.device, "offer")) return;
    const json = parse(payload);
    const withdrawal = withdrawMessageSchema.safeParse(json);
    if (withdrawal.success) return this.#carryOut(this.model.withdrawn(withdrawal.data.withdraw));
    if (!this.#take(json)) return this.#takeLater(json);
  }

  /** False when the offer does not verify, by what is known now. */
  #take(message: unknown): boolean {
    const offer = this.#context.trust.verify(message, this.model.device);
    if (offer === null) return false;
    this.#context.counts.offers += 1;
    this.#carryOut(this.model.offered(offer));
    return true;
  }

  /** It may be signed by a key that was announced since. */
  async #takeLater(message: unknown): Promise<void> {
    const { trust, counts, stop } = this.#context;
    try {
      await trust.refresh(this.#fetcher());
    } catch (error) {
      if (!stop.aborted) throw error;
    }
    if (!stop.aborted && !this.#take(message)) counts.untrustedOffers += 1;
  }

  #dial(): void {
    void this.#connection();
  }

  /** One connection, from its dial to its end. */
  async #connection(): Promise<void> {
    const { gateways, clock, counts, logger } = this.#context;
    this.#state = "dialling";
    const gateway = gateways.pick(this.model.device, this.#moveCount);
    let openedMs: number | null = null;
    try {
      if (gateway !== null && (await this.#open(gateway))) {
        openedMs = clock.monotonicMs();
        await this.#use(gateway);
      }
    } catch (error) {
      if (!isMusterError(error)) throw error;
      counts.failedConnections += 1;
      logger.debug("A gateway cannot be reached.", {
        device: this.model.device,
        why: describeError(error),
      });
    }
    this.#session = null;
    this.#transport = null;
    this.#pause(openedMs);
  }

  /** False when the swarm stopped meanwhile. */
  async #open(gateway: GatewayAddress): Promise<boolean> {
    const { dials, receivers, counts, heartbeatIntervalMs } = this.#context;
    const dialling = new AbortController();
    this.#dialling = dialling;
    const name = gatewayName(gateway);
    try {
      await dials.run(async () => {
        const resumed = this.#resumption?.take(name) ?? null;
        const dialled = await dialGateway({
          context: this.#context,
          gateway,
          identity: this.#identity,
          resumed,
          onStream: (transport) => {
            this.#transport = transport;
            this.#resumption?.keepFrom(transport, name, resumed);
            if (transport.isSessionReused()) counts.resumedConnections += 1;
          },
          sessionClock: this,
          onSession: (session) => {
            this.#session = session;
            receivers.set(session, this);
          },
          signal: dialling.signal,
        });
        const serverMs = dialled.serverKeepAliveMs;
        // The server counts three misses: its keep alive is three of our intervals.
        this.#usualIntervalMs =
          serverMs === null ? heartbeatIntervalMs : Math.min(heartbeatIntervalMs, serverMs / 3);
      }, dialling.signal);
    } catch (error) {
      if (dialling.signal.aborted) return false;
      throw error;
    } finally {
      this.#dialling = null;
    }
    if (this.#state === "dialling") return true;
    this.#transport?.destroy(); // The swarm stopped in this moment.
    return false;
  }

  async #use(gateway: GatewayAddress): Promise<void> {
    const { counts, wheel, random } = this.#context;
    const session = this.#session;
    if (session === null || !session.isOpen) return;
    this.#state = "open";
    counts.connected += 1;
    this.#record({ op: "connect", gateway: gatewayName(gateway) });
    void this.#sayHello(session);
    this.#sendReports();
    wheel.add(this, random.next());
    this.#carryOut(this.model.connected());
    const reason = await session.closed;
    this.#pace.reset();
    wheel.remove(this);
    this.#sent.clear();
    if (this.isConnected) counts.connected -= 1;
    this.#record({ op: "disconnect", why: reason.cause });
  }

  /** Heartbeats do not wait for the answer: a swarm is of the version of its gateways. */
  async #sayHello(session: MqttClientSession): Promise<void> {
    const { codec, logger } = this.#context;
    const hello = encode(this.model.hello(codec));
    const outcome = await session.publish(this.#topic("hello"), hello, { qos: 1 });
    if (outcome.kind !== "acknowledged" || outcome.reasonCode < FIRST_FAILURE_CODE) return;
    const why = outcome.properties?.reasonString ?? reasonCodeName(outcome.reasonCode);
    logger.warn("A gateway refused a hello.", { device: this.model.device, why });
  }

  /** What comes after a connection, or after none. */
  #pause(openedMs: number | null): void {
    const { clock, gateways } = this.#context;
    if (this.#state === "gone" || this.#state === "muted") return;
    this.#state = "pausing";
    const dropPauseMs = this.#dropPauseMs;
    this.#dropPauseMs = null;
    const heldMs = openedMs === null ? 0 : clock.monotonicMs() - openedMs;
    // Its own fault is not the gateway's: it goes back there, after a short pause.
    if (dropPauseMs === null) this.#moveCount += 1;
    if (heldMs >= STABLE_MS || dropPauseMs !== null) this.#backoff.reset();
    const isReboot = dropPauseMs !== null && dropPauseMs > 0;
    const { delayMs, isExhausted } = isReboot
      ? { delayMs: dropPauseMs, isExhausted: false }
      : this.#backoff.fail();
    if (isExhausted || gateways.count === 0) void gateways.refresh();
    this.#cancelPause = clock.setTimer(delayMs, () => this.#dial());
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) this.#carryOutOne(effect);
  }

  #carryOutOne(effect: Effect): void {
    const { model } = this;
    const { trust, download } = this.#context;
    switch (effect.kind) {
      case "record":
        return this.#record(effect.operation);
      case "send":
        return this.#sendReports();
      case "evidence":
        return this.beat();
      case "wait":
        return this.#wait(effect.delayMs, () => this.#carryOut(model.elapsed(effect.timer)));
      case "prepare":
        return void this.#later(trust.prepare(effect.offer, this.#fetcher()), (release) =>
          model.prepared(effect.offer, release),
        );
      case "download": {
        const { slot, generation, manifest } = effect;
        const fetched =
          download === "full"
            ? trust.download(manifest, this.#fetcher())
            : Promise.resolve({ kind: "ready" } as const);
        return void this.#later(fetched, (release) => model.downloaded(slot, generation, release));
      }
      case "drop":
        return this.#drop(effect.pauseMs);
      case "mute":
        return this.#mute();
      case "leave":
        this.#leave();
        return void this.#session?.disconnect();
    }
  }

  async #later<T>(work: Promise<T>, then: (result: T) => readonly Effect[]): Promise<void> {
    try {
      const result = await work;
      if (this.#state !== "gone") this.#carryOut(then(result));
    } catch (error) {
      if (!this.#context.stop.aborted) throw error;
    }
  }

  #wait(delayMs: number, callback: () => void): void {
    const cancel = this.#context.clock.setTimer(delayMs, () => {
      this.#timers.delete(cancel);
      callback();
    });
    this.#timers.add(cancel);
  }

  /** As when power or signal is lost: nobody says goodbye. */
  #drop(pauseMs: number): void {
    if (this.#state !== "open" && this.#state !== "dialling") return;
    this.#dropPauseMs = pauseMs;
    this.#dialling?.abort();
    this.#transport?.destroy();
  }

  /** The kernel keeps the connection; nothing is written to it or read from it any more. */
  #mute(): void {
    if (this.#state !== "open") return;
    this.#context.counts.connected -= 1;
    this.#state = "muted";
    this.#cancelSessionTimer();
    this.#context.wheel.remove(this);
    this.#transport?.pause();
    this.#transport?.cork();
  }

  #leave(): void {
    if (this.#state === "open") this.#context.counts.connected -= 1;
    this.#state = "gone";
    this.#cancelPause();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#context.wheel.remove(this);
  }

  #sendReports(): void {
    const session = this.#session;
    if (this.#state !== "open" || session === null) return;
    for (const report of this.model.pendingReports()) {
      if (this.#sent.size >= REPORTS_IN_FLIGHT_MAX) return;
      const key = `${report.generation} ${report.sequence}`;
      if (this.#sent.has(key)) continue;
      this.#sent.add(key);
      void this.#sendReport(session, report, key);
    }
  }

  async #sendReport(session: MqttClientSession, report: DeviceReport, key: string): Promise<void> {
    const outcome = await session.publish(this.#topic("report"), encode(report), { qos: 1 });
    if (this.#session !== session || outcome.kind !== "acknowledged") return;
    const { reasonCode } = outcome;
    if (reasonCode < FIRST_FAILURE_CODE) this.#carryOut(this.model.acknowledged(report));
    else if (FINAL_REFUSALS.has(reasonCode)) {
      this.#context.counts.refusedReports += 1;
      this.model.refusedForGood(report);
    } else return; // It goes again on the next connection.
    this.#sent.delete(key);
    this.#sendReports();
  }

  #fetcher(): Fetcher {
    return { identity: this.#identity, moveCount: this.#moveCount };
  }

  #topic(channel: "hello" | "heartbeat" | "report"): string {
    return upTopic(this.#context.tenant, this.model.device, channel);
  }

  #record(operation: JournalOperation): void {
    this.#context.journal.record(this.model.device, operation);
  }
}
