// SPDX-License-Identifier: Apache-2.0
/**
 * A device that does what a test tells it, word by word, on a real connection, and writes the same
 * journal as the pretended ones: for sequences that a device of its own accord seldom goes through.
 */
import assert from "node:assert/strict";
import { enrolInMemory } from "../../agent/trust/enrol.ts";
import { WorkingTime } from "../../agent/trust/working-time.ts";
import type { OfferMessage, OfferPayload } from "../../protocol/device/offer.ts";
import type { DeviceReport, ReportPhase, ReportReason } from "../../protocol/device/report.ts";
import type { SlotStatuses } from "../../protocol/device/status.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { OperationJournal, journalFile } from "../../simulator/swarm/operation-journal.ts";
import { until } from "../helpers/until.ts";
import type { KeyAndCertificate } from "../integration/gateway/fixture-authority.ts";
import { TestDevice } from "../integration/gateway/test-device.ts";
import { enrolDevices, type Fleet } from "./fleet.ts";

const TENANT = "default";
const WAIT_MS = 20_000;

/** Registers and enrols a device with the label `group=ID`. */
export async function enrolScripted(
  fleet: Fleet,
  id: string,
  signal: AbortSignal,
): Promise<KeyAndCertificate> {
  const { installation } = fleet;
  const [token = ""] = await enrolDevices(installation, [
    { id, behaviour: "good", labels: { group: id } },
  ]);
  const workingTime = new WorkingTime({ clock: systemClock, floorMs: 0 });
  const { enrolmentUrl } = installation;
  const { keyPem, certPem, caPem } = await enrolInMemory({
    enrolmentUrl,
    token,
    workingTime,
    signal,
  });
  return { key: keyPem, cert: certPem, ca: caPem };
}

export class ScriptedDevice implements AsyncDisposable {
  readonly id: string;
  readonly #fleet: Fleet;
  readonly #identity: KeyAndCertificate;
  readonly #journal: OperationJournal;
  readonly #signal: AbortSignal;
  #device: TestDevice | null = null;
  #running = { digest: "", version: "", generation: 0 };
  #beats = 0;

  private constructor(options: {
    id: string;
    fleet: Fleet;
    identity: KeyAndCertificate;
    journal: OperationJournal;
    signal: AbortSignal;
  }) {
    this.id = options.id;
    this.#fleet = options.fleet;
    this.#identity = options.identity;
    this.#journal = options.journal;
    this.#signal = options.signal;
  }

  /** Registers and enrols it with the label `group=ID`, and connects. */
  static async start(fleet: Fleet, id: string, signal: AbortSignal): Promise<ScriptedDevice> {
    const { installation } = fleet;
    const identity = await enrolScripted(fleet, id, signal);
    const file = journalFile(installation.at("swarm"), fleet.nextPart());
    const journal = new OperationJournal({
      file,
      clock: systemClock,
      onFailure: (error) => assert.ifError(error),
      onRecord: () => {},
    });
    await journal.open();
    const device = new ScriptedDevice({ id, fleet, identity, journal, signal });
    await device.connect();
    return device;
  }

  async connect(): Promise<void> {
    const gateway = [...this.#fleet.installation.gateways.values()][0];
    assert.ok(gateway !== undefined, "there is a gateway");
    const device = await TestDevice.connect({
      port: gateway.port("mqttsPort"),
      identity: this.#identity,
      tenant: TENANT,
      device: this.id,
      keepAliveSeconds: 1,
    });
    assert.ok(device.connack !== null, `${this.id} is let in`);
    this.#device = device;
    await device.subscribeDown();
    const hello = { protocol: 1, agent: "scripted/1", codec: "json", inventory: {} };
    await device.publish("hello", { ...hello, slots: this.#slots() });
  }

  /** The connection breaks without a goodbye. */
  cut(): void {
    this.#device?.socket.destroy();
    this.#device = null;
  }

  /** The newest offer that came on this connection, of a generation above `above`. */
  async offer(above = 0): Promise<OfferPayload> {
    let found: OfferPayload | undefined;
    const isThere = (): boolean => {
      found = this.offers().find(({ generation }) => generation > above);
      return found !== undefined;
    };
    const options = { timeoutMs: WAIT_MS, signal: this.#signal };
    await until(`${this.id} has an offer above generation ${above}`, isThere, options);
    return found ?? assert.fail("an offer");
  }

  /** Everything offered on this connection. */
  offers(): OfferPayload[] {
    return (this.#device?.heardOn("offer") ?? [])
      .filter((message): message is OfferMessage => {
        return typeof message === "object" && message !== null && "payload" in message;
      })
      .map(({ payload }) => JSON.parse(Buffer.from(payload, "base64").toString()) as OfferPayload);
  }

  /** Writes down that it accepts; says nothing yet. */
  accept(offer: OfferPayload): void {
    const { slot, rollout, position, generation } = offer;
    const name = { slot, rollout, position, generation };
    this.#journal.record(this.id, { op: "accept", ...name, offer });
  }

  /** Switches to what is offered and shows it. */
  async activate(offer: OfferPayload): Promise<void> {
    const { slot, rollout, position, generation } = offer;
    const digest = offer.release?.sha256 ?? "";
    const version = offer.release?.version ?? "";
    this.#running = { digest, version, generation };
    const name = { slot, rollout, position, generation };
    this.#journal.record(this.id, { op: "activate", ...name, digest, version });
    await this.#device?.publish("heartbeat", { sequence: ++this.#beats, slots: this.#slots() }, 0);
  }

  /** Says something of the attempt; resolves when it was acknowledged. */
  async say(
    offer: OfferPayload,
    sequence: number,
    phase: ReportPhase,
    reason?: ReportReason,
  ): Promise<void> {
    const { slot, rollout, position, generation } = offer;
    const name = { rollout, position, generation };
    const why = reason === undefined ? {} : { reason };
    const report: DeviceReport = { ...name, sequence, phase, ...why };
    this.#journal.record(this.id, { op: "report", slot, ...name, report });
    const outcome = await this.#device?.publish("report", report);
    assert.equal(outcome?.kind, "acknowledged", `${phase} of ${this.id} is acknowledged`);
    this.#journal.record(this.id, { op: "ack", ...name, sequence });
    await this.#journal.flush();
  }

  #slots(): SlotStatuses {
    return { app: { ...this.#running, health: "healthy" } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.#journal.close();
  }
}
