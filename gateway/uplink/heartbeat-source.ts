// SPDX-License-Identifier: Apache-2.0
/** The gateway's own heartbeat to the center: three misses, and its devices are unknown there. */
import { create } from "@bufbuild/protobuf";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { GatewayHeartbeatSchema } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { CenterMessage, UplinkSource, WakeUplink } from "./uplink-source.ts";

export interface HeartbeatFacts {
  readonly connectedDevices: number;
  readonly eventLoopLagMs: number;
  readonly heldReports: number;
}

export interface HeartbeatSourceOptions {
  readonly clock: Clock;
  readonly wake: WakeUplink;
  readonly intervalMs: number;
  readonly facts: () => HeartbeatFacts;
}

export class HeartbeatSource implements UplinkSource {
  readonly #clock: Clock;
  readonly #wake: WakeUplink;
  readonly #facts: () => HeartbeatFacts;
  #intervalMs: number;
  #sequence = 0n;
  #isDue = false;
  #cancelTimer: CancelTimer | null = null;

  constructor(options: HeartbeatSourceOptions) {
    this.#clock = options.clock;
    this.#wake = options.wake;
    this.#intervalMs = options.intervalMs;
    this.#facts = options.facts;
  }

  /** The center says how often it wants to hear; 0 keeps what it was. */
  changeInterval(intervalMs: number): void {
    if (intervalMs > 0) this.#intervalMs = intervalMs;
  }

  linkOpened(): void {
    this.#due();
  }

  linkLost(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#isDue = false;
  }

  hurry(): void {}

  next(): CenterMessage | null {
    if (!this.#isDue) return null;
    this.#isDue = false;
    this.#sequence += 1n;
    const { connectedDevices, eventLoopLagMs, heldReports } = this.#facts();
    const value = create(GatewayHeartbeatSchema, {
      sequence: this.#sequence,
      connectedDevices,
      eventLoopLagMs: Math.round(eventLoopLagMs),
      heldReports,
    });
    return { case: "heartbeat", value };
  }

  #due(): void {
    this.#isDue = true;
    this.#cancelTimer = this.#clock.setTimer(this.#intervalMs, () => this.#due());
    this.#wake();
  }
}
