// SPDX-License-Identifier: Apache-2.0
/**
 * How an MQTT connection ends, and what it says then. The layers above it (`ConnectionDeliveries`,
 * `ConnectionIntake`, `MqttConnection`) are one object with it.
 */
import { encodeDisconnect } from "../../../protocol/mqtt/encoder.ts";
import type { ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import { type ReasonCode, reasonCodeName } from "../../../protocol/mqtt/reason-codes.ts";
import type { CloseCause } from "../../sessions/device-link.ts";
import type { ConnectionPeer } from "../connection-peer.ts";
import { State, StreamOutput, type StreamOptions } from "../stream-output.ts";
import { CLOSE_CODES } from "./close-codes.ts";
import type { MqttContext } from "./mqtt-context.ts";

export type MqttConnectionOptions = StreamOptions<MqttContext, ConnectionPeer>;

export class ConnectionOutput extends StreamOutput<MqttContext, ConnectionPeer> {
  protected level: ProtocolLevel = 4;

  /** The transport goes on without it: what comes is not MQTT. */
  giveUp(): void {
    if (this.state === State.Closed) return;
    this.state = State.Closed;
    this.context.lifecycle.end(this.slot, "closed");
  }

  override close(cause: CloseCause): void {
    if (this.state === State.Closed) return;
    const reasonCode = CLOSE_CODES[cause];
    if (reasonCode !== null) this.#sayDisconnect(reasonCode);
    this.finish(cause);
  }

  /** The client broke a rule: say which, where the level lets us, and close. */
  protected violate(reasonCode: ReasonCode, fault: string, clause?: string): void {
    this.logFault("connection closed for a protocol fault", {
      reason: fault,
      reasonCode: reasonCodeName(reasonCode),
      ...(clause === undefined ? {} : { clause }),
    });
    this.#sayDisconnect(reasonCode);
    this.finish("protocol");
  }

  /** At level 4 a server has no DISCONNECT; before CONNECT there is nobody to tell. */
  #sayDisconnect(reasonCode: ReasonCode): void {
    if (this.state !== State.Open || this.level !== 5) return;
    this.transport.write(encodeDisconnect(5, { reasonCode }));
  }
}
