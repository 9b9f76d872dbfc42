// SPDX-License-Identifier: Apache-2.0
/**
 * What a device publishes on its connection: it goes to the pipeline, and is answered in order, a
 * report when the center holds it.
 *
 * At QoS 2 a message goes to the pipeline when it comes, is answered with PUBREC, and its packet id
 * is remembered until PUBREL: a repeat before that is answered again and not handed on again
 * [MQTT-4.3.3-10].
 *
 * Limits: 32 messages whose answer or PUBREL waits, 8 uses of a foreign topic.
 */
import type { UpChannel } from "../../../protocol/device/topics.ts";
import type { Publish } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { AckQueue, MAX_HELD_MESSAGES } from "../../sessions/ack-queue.ts";
import type { KeptSession } from "../../sessions/kept-sessions.ts";
import { ConnectionDeliveries } from "./connection-deliveries.ts";
import { State } from "../stream-output.ts";
import {
  answeredId,
  awaitsRelease,
  encodeAnswer,
  encodePubcomp,
  encodeTaken,
} from "./publish-answer.ts";
import { isTopic, publishChannel, upPrefix } from "./topic-rules.ts";

/** One mistake of a configuration is answered; a device that goes on is cut off. */
export const MAX_TOPIC_VIOLATIONS = 8;

export class ConnectionIntake extends ConnectionDeliveries {
  #upPrefix = "";
  #violationCount = 0;
  /** Present only while a message waits for its answer. */
  #acks: AckQueue | null = null;
  /** Packet ids of QoS 2 between PUBREC and PUBREL; present only while there is one. */
  #unreleased: number[] | null = null;
  /** Largest PUBACK with a sentence; 0 = none. */
  #reasonBytesMax = 0;

  acknowledge(ticket: number): void {
    if (this.state !== State.Open || this.#acks === null) return;
    if (this.#acks.resolve(ticket, ReasonCode.Success)) this.#flushAcks();
  }

  /** `device`: as `tenant/device`. */
  protected beginIntake(device: string, wantsReasons: boolean): void {
    this.#upPrefix = upPrefix(device);
    // [MQTT-3.1.2-29]
    this.#reasonBytesMax = wantsReasons ? this.packetBytesMax : 0;
  }

  /** Packet ids of QoS 2 that the device has not released, for the session that is kept. */
  protected get unreleased(): readonly number[] {
    return [...(this.#unreleased ?? []), ...(this.#acks?.taken() ?? [])];
  }

  protected resumeIntake({ unreleased }: KeptSession): void {
    if (unreleased.length > 0) this.#unreleased = [...unreleased];
  }

  /** What nobody asked for and nobody reads while there is too much to do: lines of `up/log`. */
  refuses(bytes: Buffer, start: number, end: number): boolean {
    const isShed = this.state === State.Open && isTopic(bytes, start, end, this.#upPrefix, "log");
    if (isShed) this.context.metrics.telemetryShed();
    return isShed;
  }

  protected publish(publish: Publish): void {
    if (publish.retain && this.level === 5) {
      return this.violate(ReasonCode.RetainNotSupported, "PUBLISH asks to be retained");
    }
    if (publish.properties?.topicAlias !== undefined) {
      return this.violate(ReasonCode.TopicAliasInvalid, "PUBLISH has a topic alias");
    }
    const channel = publishChannel(publish.topic, this.#upPrefix);
    if (channel === null) return this.#foreignPublish(publish);
    if (publish.qos !== 0) return this.#publishAcknowledged(publish, publish.qos, channel);
    const result = this.context.intake.take(this.slot, channel, publish.payload, -1);
    if (result === IntakeResult.Full) this.close("held-limit");
  }

  /** PUBREL: the device has our PUBREC, and may use its packet id anew. */
  protected release(packetId: number): void {
    const unreleased = this.#unreleased;
    const index = unreleased === null ? -1 : unreleased.indexOf(packetId);
    if (index !== -1) unreleased?.splice(index, 1);
    if (unreleased?.length === 0) this.#unreleased = null;
    this.write(encodePubcomp(this.level, packetId, index !== -1));
  }

  /** Uses of topics of somebody else; true when it were too many, and the connection is closed. */
  protected countViolations(count: number): boolean {
    this.#violationCount += count;
    if (this.#violationCount < MAX_TOPIC_VIOLATIONS) return false;
    this.context.logger.warn("device used a foreign topic", this.who());
    this.close("not-its-topic");
    return true;
  }

  #publishAcknowledged(publish: Publish, qos: 1 | 2, channel: UpChannel): void {
    const { packetId } = publish;
    const waiting = this.#acks;
    // A 3.1.1 client may repeat within a connection what is still waiting for its answer.
    if (waiting?.has(packetId) === true) return;
    if (qos === 2 && this.#unreleased?.includes(packetId) === true) {
      return this.#answerAtOnce(packetId, 2, ReasonCode.Success);
    }
    if (this.#isFull()) return this.close("held-limit");
    const ticket = waiting?.nextTicket ?? 0;
    const result = this.context.intake.take(this.slot, channel, publish.payload, ticket);
    if (result === IntakeResult.Full) return this.close("held-limit");
    // Nearly always: nothing waits, and this need not either.
    if (waiting === null && result === IntakeResult.Taken) {
      if (qos === 2) this.#remember(packetId);
      return this.write(encodeTaken(this.level, packetId, qos));
    }
    const acks = (this.#acks ??= new AckQueue());
    acks.hold(packetId, qos);
    if (result === IntakeResult.Taken) acks.resolve(ticket, ReasonCode.Success);
    if (result === IntakeResult.Malformed) {
      acks.resolve(ticket, ReasonCode.PayloadFormatInvalid, this.context.intake.fault);
    }
    this.#flushAcks();
  }

  /** A publish to a topic of somebody else. 3.1.1 has no way to refuse it but to close. */
  #foreignPublish(publish: Publish): void {
    this.context.metrics.topicViolated("publish");
    if (this.countViolations(this.level === 4 ? MAX_TOPIC_VIOLATIONS : 1)) return;
    if (publish.qos === 0 || this.#acks?.has(publish.packetId) === true) return;
    if (this.#isFull()) return this.close("held-limit");
    this.#answerAtOnce(publish.packetId, publish.qos, ReasonCode.NotAuthorized);
  }

  /** The answer is known, and waits for those before it only. */
  #answerAtOnce(packetId: number, qos: 1 | 2, reasonCode: ReasonCode): void {
    const acks = (this.#acks ??= new AckQueue());
    if (acks.isFull) return this.close("held-limit");
    acks.resolve(acks.hold(packetId, qos), reasonCode);
    this.#flushAcks();
  }

  /** Both kinds count against the Receive Maximum that CONNACK gave (§3.3.4 of MQTT 5.0). */
  #isFull(): boolean {
    const waitingCount = this.#acks?.length ?? 0;
    return waitingCount + (this.#unreleased?.length ?? 0) >= MAX_HELD_MESSAGES;
  }

  #remember(packetId: number): void {
    const unreleased = (this.#unreleased ??= []);
    if (!unreleased.includes(packetId)) unreleased.push(packetId);
  }

  #flushAcks(): void {
    const acks = this.#acks;
    if (acks === null) return;
    for (let answer = acks.shift(); answer !== -1; answer = acks.shift()) {
      if (awaitsRelease(answer)) this.#remember(answeredId(answer));
      this.write(encodeAnswer(this.level, answer, acks.takeReason(), this.#reasonBytesMax));
    }
    if (acks.length === 0) this.#acks = null;
  }
}
