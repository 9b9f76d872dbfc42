// SPDX-License-Identifier: Apache-2.0
/**
 * What a device publishes on its connection: it goes to the pipeline, and is answered in order, a
 * report when the center holds it.
 *
 * Limits: 32 messages whose answer waits, 8 uses of a foreign topic.
 */
import type { UpChannel } from "../../../protocol/device/topics.ts";
import type { Publish } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { AckQueue } from "../../sessions/ack-queue.ts";
import { ConnectionDeliveries } from "./connection-deliveries.ts";
import { State } from "./connection-output.ts";
import { encodeAnswer, encodeTaken } from "./publish-answer.ts";
import { publishChannel, upPrefix } from "./topic-rules.ts";

/** One mistake of a configuration is answered; a device that goes on is cut off. */
export const MAX_TOPIC_VIOLATIONS = 8;

export class ConnectionIntake extends ConnectionDeliveries {
  #upPrefix = "";
  #violationCount = 0;
  /** Present only while a message waits for its answer. */
  #acks: AckQueue | null = null;
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

  protected publish(publish: Publish): void {
    if (publish.qos === 2) return this.violate(ReasonCode.QosNotSupported, "PUBLISH has QoS 2");
    if (publish.retain && this.level === 5) {
      return this.violate(ReasonCode.RetainNotSupported, "PUBLISH asks to be retained");
    }
    if (publish.properties?.topicAlias !== undefined) {
      return this.violate(ReasonCode.TopicAliasInvalid, "PUBLISH has a topic alias");
    }
    const channel = publishChannel(publish.topic, this.#upPrefix);
    if (channel === null) return this.#foreignPublish(publish);
    if (publish.qos === 1) return this.#publishAcknowledged(publish, channel);
    const result = this.context.intake.take(this.slot, channel, publish.payload, -1);
    if (result === IntakeResult.Full) this.close("held-limit");
  }

  /** Uses of topics of somebody else; true when it were too many, and the connection is closed. */
  protected countViolations(count: number): boolean {
    this.#violationCount += count;
    if (this.#violationCount < MAX_TOPIC_VIOLATIONS) return false;
    this.context.logger.warn("device used a foreign topic", this.who());
    this.close("not-its-topic");
    return true;
  }

  #publishAcknowledged(publish: Publish, channel: UpChannel): void {
    const { packetId } = publish;
    const waiting = this.#acks;
    // A 3.1.1 client may repeat within a connection what is still waiting for its answer.
    if (waiting?.has(packetId) === true) return;
    if (waiting?.isFull === true) return this.close("held-limit");
    const ticket = waiting?.nextTicket ?? 0;
    const result = this.context.intake.take(this.slot, channel, publish.payload, ticket);
    if (result === IntakeResult.Full) return this.close("held-limit");
    // Nearly always: nothing waits, and this need not either.
    if (waiting === null && result === IntakeResult.Taken) {
      return this.write(encodeTaken(this.level, packetId));
    }
    const acks = (this.#acks ??= new AckQueue());
    acks.hold(packetId);
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
    if (publish.qos === 0) return;
    const acks = (this.#acks ??= new AckQueue());
    if (acks.has(publish.packetId)) return;
    if (acks.isFull) return this.close("held-limit");
    acks.resolve(acks.hold(publish.packetId), ReasonCode.NotAuthorized);
    this.#flushAcks();
  }

  #flushAcks(): void {
    const acks = this.#acks;
    if (acks === null) return;
    for (let answer = acks.shift(); answer !== -1; answer = acks.shift()) {
      this.write(encodeAnswer(this.level, answer, acks.takeReason(), this.#reasonBytesMax));
    }
    if (acks.length === 0) this.#acks = null;
  }
}
