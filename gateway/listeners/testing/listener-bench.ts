// SPDX-License-Identifier: Apache-2.0
/** The gateway around a connection without a socket, and its transport: what is written stays. */
import { Registry } from "prom-client";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { DEFAULT_DECODER_LIMITS } from "../../../protocol/mqtt/decoder-limits.ts";
import { VirtualClock } from "../../../test/helpers/virtual-clock.ts";
import { Suspects } from "../../admission/suspects.ts";
import { GatewayMetrics } from "../../metrics.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { Presence } from "../../presence/presence.ts";
import { TimingWheel } from "../../presence/timing-wheel.ts";
import type { CloseCause } from "../../sessions/device-link.ts";
import { KeptSessions } from "../../sessions/kept-sessions.ts";
import { SessionLifecycle } from "../../sessions/session-lifecycle.ts";
import { SessionTable } from "../../sessions/session-table.ts";
import { SlowConsumers } from "../../sessions/slow-consumers.ts";
import type { MqttContext } from "../mqtt/mqtt-context.ts";
import type { StreamTransport } from "../stream-transport.ts";
import { ProxiedSources } from "../proxy/proxied-sources.ts";

export class ListenerBench implements StreamTransport {
  readonly clock: VirtualClock = new VirtualClock();
  readonly table: SessionTable = new SessionTable({ maxSlots: 4 });
  readonly kept: KeptSessions = new KeptSessions({ clock: this.clock, maxSessions: 4 });
  readonly taken: { channel: string; text: string; ticket: number }[] = [];
  /** Wills of sessions that are over. */
  readonly late: string[] = [];
  readonly closed: CloseCause[] = [];
  readyCount = 0;
  readonly loadLevel = { isOverloaded: false };
  /** What `draw` answers, by its place; the gateway is full from `limit` devices on. */
  readonly redirects = {
    limit: 4,
    places: [] as string[],
    draw: (): string | null => this.redirects.places.shift() ?? null,
  };
  result: IntakeResult = IntakeResult.Taken;
  isDestroyed = false;
  writableLength = 0;
  /** The peer takes nothing: what is written stays. */
  isStuck = false;
  protected readonly written: Buffer[] = [];
  protected readonly context: MqttContext;

  /** Longest silence that presence allows, ms. */
  constructor(silenceLimitMs = 15_000) {
    const { clock, table } = this;
    const wheel = new TimingWheel({ tickMs: 250, nowMs: 0 });
    const presence = new Presence({ clock, table, wheel, detectionMs: 2_000 });
    const limits = { connectDeadlineMs: 10_000, silenceLimitMs };
    const lifecycle = new SessionLifecycle({ table, presence, ...limits });
    presence.start(lifecycle);
    lifecycle.observe([
      {
        sessionOpened: () => {},
        sessionIdentified: () => {},
        sessionReady: () => void (this.readyCount += 1),
        sessionClosed: (_slot, cause) => void this.closed.push(cause),
      },
    ]);
    this.context = {
      table,
      presence,
      lifecycle,
      logger: SILENT_LOGGER,
      metrics: new GatewayMetrics({ registry: new Registry() }),
      slowConsumers: new SlowConsumers({ clock }),
      suspects: new Suspects({ clock }),
      loadLevel: this.loadLevel,
      redirects: this.redirects,
      limits: DEFAULT_DECODER_LIMITS,
      kept: this.kept,
      terms: { silenceLimitMs, maxPacketBytes: 65_536, sessionExpiryMaxSeconds: 3_600 },
      sources: new ProxiedSources([], SILENT_LOGGER),
      intake: {
        fault: "it is none",
        take: (_slot, channel, payload, ticket) => {
          this.taken.push({ channel, text: payload.toString(), ticket });
          return this.result;
        },
      },
    };
    this.kept.observe({
      holdEnded: () => {},
      willDue: (device, _ordinal, { payload }) =>
        void this.late.push(`${device}: ${payload.toString()}`),
    });
  }

  write(bytes: Uint8Array): void {
    this.written.push(Buffer.from(bytes));
    if (this.isStuck) this.writableLength += bytes.length;
  }
  cork(): void {}
  uncork(): void {}
  readonly setTimeout = (): void => {};
  destroySoon(): void {
    this.isDestroyed = true;
  }
  destroy(): void {
    this.isDestroyed = true;
  }
}
