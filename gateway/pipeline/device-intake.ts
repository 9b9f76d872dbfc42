// SPDX-License-Identifier: Apache-2.0
/**
 * The last step of the pipeline decode → authenticate → route, the same for every protocol: what a
 * device published on one of its channels goes to whoever keeps it.
 *
 * | channel | goes to | answered |
 * | --- | --- | --- |
 * | hello | hello tracker and status tracker, which send it up | at once |
 * | heartbeat | status tracker, which sends up changes | at once |
 * | report | report buffer; closes the lease entry it answers | when the center holds it |
 * | log | this process's log, best effort; nowhere while there is too much to do | at once |
 *
 * A message that does not fit its contract is counted and answered as such, never parsed further
 * and never kept: MQTT 5 has a reason code and room for a sentence. MQTT 3.1.1 has neither, so
 * there it is acknowledged and dropped; a device that sends it again for ever would block itself
 * behind it.
 */
import type { Logger } from "../../ports/logger.ts";
import { isFault, type DecodeFault } from "../../protocol/codec.ts";
import { CODECS } from "../../protocol/device/codec-names.ts";
import type { UpChannel } from "../../protocol/device/topics.ts";
import type { LoadLevel } from "../admission/load-level.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import { DeviceMessages } from "./device-messages.ts";
import type { HelloTracker } from "./hello-tracker.ts";
import { IntakeResult } from "./intake-result.ts";
import type { ReportBuffer } from "./report-buffer.ts";
import type { StatusTracker } from "./status-tracker.ts";

/** Where a report closes the lease entry that it answers. */
export interface ReportListener {
  /** `device`: `tenant/device`. */
  reportTaken(device: string, rollout: number, generation: number): void;
}

export interface DeviceIntakeOptions {
  readonly table: SessionTable;
  readonly status: StatusTracker;
  readonly hellos: HelloTracker;
  readonly reports: ReportBuffer;
  readonly reportListener: ReportListener;
  readonly loadLevel: Pick<LoadLevel, "isOverloaded">;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

export class DeviceIntake {
  readonly #table: SessionTable;
  readonly #status: StatusTracker;
  readonly #hellos: HelloTracker;
  readonly #reports: ReportBuffer;
  readonly #reportListener: ReportListener;
  readonly #loadLevel: Pick<LoadLevel, "isOverloaded">;
  readonly #metrics: GatewayMetrics;
  readonly #logger: Logger;
  readonly #messages = new DeviceMessages();
  #fault = "";

  constructor(options: DeviceIntakeOptions) {
    this.#table = options.table;
    this.#status = options.status;
    this.#hellos = options.hellos;
    this.#reports = options.reports;
    this.#reportListener = options.reportListener;
    this.#loadLevel = options.loadLevel;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
  }

  /** Why the message that was taken last is malformed: printable ASCII, one line. */
  get fault(): string {
    return this.#fault;
  }

  /** `ticket` -1: the device asked for no acknowledgement. */
  take(slot: number, channel: UpChannel, payload: Buffer, ticket: number): IntakeResult {
    if (channel === "log" && this.#loadLevel.isOverloaded) {
      this.#metrics.telemetryShed();
      return IntakeResult.Taken;
    }
    const routed = this.#route(slot, channel, payload, ticket);
    const result = isFault(routed) ? this.#refuse(slot, channel, routed) : routed;
    this.#metrics.messageTaken(channel, result);
    return result;
  }

  /**
   * Takes a message of a device whose session is over: its will, after a delay. `device`:
   * `tenant/device`; `ordinal` 0: it was never known, and a report has nobody to be filed under.
   * Hello and heartbeat are evidence of a session, of which there is none: they are dropped.
   */
  takeAbsent(device: string, ordinal: number, channel: UpChannel, payload: Buffer): void {
    if (channel === "log") {
      const text = this.#messages.log(payload);
      if (isFault(text)) return this.#refuseAbsent(device, channel, text);
      this.#logger.debug("device log", { deviceId: device, text });
      return this.#metrics.messageTaken(channel, IntakeResult.Taken);
    }
    if (channel !== "report" || ordinal === 0) return;
    const report = this.#messages.report(payload);
    if (isFault(report)) return this.#refuseAbsent(device, channel, report);
    const isTaken = this.#reports.addAbsent(ordinal, report);
    this.#metrics.messageTaken(channel, isTaken ? IntakeResult.Held : IntakeResult.Full);
    if (isTaken) this.#reportListener.reportTaken(device, report.rollout, report.generation);
  }

  #route(
    slot: number,
    channel: UpChannel,
    payload: Buffer,
    ticket: number,
  ): IntakeResult | DecodeFault {
    switch (channel) {
      case "hello": {
        const hello = this.#messages.hello(payload);
        if (isFault(hello)) return hello;
        this.#table.codec[slot] = CODECS.indexOf(hello.codec);
        this.#status.replace(slot, hello.slots);
        this.#hellos.take(slot, hello);
        return IntakeResult.Taken;
      }
      case "heartbeat": {
        const heartbeat = this.#messages.heartbeat(payload, this.#table.codec[slot] as number);
        if (isFault(heartbeat)) return heartbeat;
        this.#status.update(slot, heartbeat.slots);
        return IntakeResult.Taken;
      }
      case "report": {
        const report = this.#messages.report(payload);
        if (isFault(report)) return report;
        if (!this.#reports.add(slot, ticket, report)) return IntakeResult.Full;
        const device = this.#table.device(slot);
        this.#reportListener.reportTaken(device, report.rollout, report.generation);
        return IntakeResult.Held;
      }
      case "log": {
        const text = this.#messages.log(payload);
        if (isFault(text)) return text;
        this.#logger.debug("device log", { deviceId: this.#table.device(slot), text });
        return IntakeResult.Taken;
      }
    }
  }

  #refuseAbsent(deviceId: string, channel: UpChannel, { reason }: DecodeFault): void {
    this.#logger.debug("malformed message of a device", { deviceId, channel, reason });
    this.#metrics.messageTaken(channel, IntakeResult.Malformed);
  }

  /** Devices send as they like, so it is logged for whoever looks for it only. */
  #refuse(slot: number, channel: UpChannel, { reason }: DecodeFault): IntakeResult {
    this.#fault = reason;
    const deviceId = this.#table.device(slot);
    this.#logger.debug("malformed message of a device", { deviceId, channel, reason });
    return IntakeResult.Malformed;
  }
}
