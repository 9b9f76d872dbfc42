// SPDX-License-Identifier: Apache-2.0
/**
 * Heartbeats as bytes, in the codec that the device has named in its hello. What a heartbeat may
 * say does not depend on it: both refuse the same digests, versions, generations and healths. JSON
 * refuses fields that it does not know as well; Protobuf passes over them, as it should.
 */
import { DecodeFault, isFault, type Codec } from "../codec.ts";
import {
  readDeviceHeartbeat,
  writeDeviceHeartbeat,
  type DeviceHeartbeat as HeartbeatMessage,
  type SlotStatus as SlotMessage,
} from "../gen/muster/v1/device_codec.ts";
import { protobufCodec } from "../protobuf/protobuf-codec.ts";
import type { CodecName } from "./codec-names.ts";
import { heartbeatJson } from "./heartbeat-json.ts";
import {
  MAX_VERSION_CHARACTERS,
  SLOTS,
  type DeviceHeartbeat,
  type SlotStatus,
  type SlotStatuses,
} from "./status.ts";

const DIGEST_BYTES = 32;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** By the number of SlotHealth. */
const HEALTHS: readonly SlotStatus["health"][] = ["unknown", "healthy", "unhealthy"];

/** A codec of its own for everyone who asks: it is used by one caller at a time. */
export function heartbeatCodec(name: CodecName): Codec<DeviceHeartbeat> {
  return name === "json" ? heartbeatJson() : protobufHeartbeats();
}

function protobufHeartbeats(): Codec<DeviceHeartbeat> {
  const messages = protobufCodec({ read: readDeviceHeartbeat, write: writeDeviceHeartbeat });
  return {
    encode: (heartbeat) => messages.encode(toMessage(heartbeat)),
    decode: (bytes) => {
      const message = messages.decode(bytes);
      return isFault(message) ? message : fromMessage(message);
    },
  };
}

function toMessage({ sequence, slots }: DeviceHeartbeat): HeartbeatMessage {
  return {
    sequence: BigInt(sequence),
    os: toSlotMessage(slots.os),
    app: toSlotMessage(slots.app),
    config: toSlotMessage(slots.config),
    command: toSlotMessage(slots.command),
  };
}

function toSlotMessage(status: SlotStatus | undefined): SlotMessage | undefined {
  if (status === undefined) return undefined;
  const { digest, version, generation, health } = status;
  return {
    digest: digest === "" ? NO_BYTES : Buffer.from(digest, "hex"),
    version,
    generation,
    health: HEALTHS.indexOf(health),
  };
}

function fromMessage(message: HeartbeatMessage): DeviceHeartbeat | DecodeFault {
  const sequence = Number(message.sequence);
  if (!Number.isSafeInteger(sequence)) return new DecodeFault("sequence: not below 2^53");
  const slots: { -readonly [slot in keyof SlotStatuses]: SlotStatuses[slot] } = {};
  for (const slot of SLOTS) {
    const said = message[slot];
    if (said === undefined) continue;
    const status = fromSlotMessage(said);
    if (typeof status === "string") return new DecodeFault(`slots.${slot}.${status}`);
    slots[slot] = status;
  }
  return { sequence, slots };
}

/** What is wrong where it is no status. */
function fromSlotMessage(message: SlotMessage): SlotStatus | string {
  const { digest, version, generation } = message;
  const health = HEALTHS[message.health];
  if (digest.length !== 0 && digest.length !== DIGEST_BYTES) {
    return `digest: ${digest.length} bytes, neither ${DIGEST_BYTES} nor none`;
  }
  if (version.length > MAX_VERSION_CHARACTERS) {
    return `version: more than ${MAX_VERSION_CHARACTERS} characters`;
  }
  if (generation < 0) return "generation: negative";
  if (health === undefined) return `health: ${message.health} is none`;
  return {
    digest: Buffer.from(digest).toString("hex"),
    version,
    generation,
    health,
  };
}
