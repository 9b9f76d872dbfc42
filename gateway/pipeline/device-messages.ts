// SPDX-License-Identifier: Apache-2.0
/**
 * The bytes of a device's message as a value that fits its contract, or why they are none. The
 * length is looked at first: what is too long is not even parsed. Nothing is thrown, whatever the
 * bytes are.
 */
import { isUtf8 } from "node:buffer";
import { DecodeFault, type Codec } from "../../protocol/codec.ts";
import { CODECS } from "../../protocol/device/codec-names.ts";
import { heartbeatCodec } from "../../protocol/device/heartbeat-codecs.ts";
import { deviceReportSchema, MAX_REPORT_BYTES } from "../../protocol/device/report.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";
import {
  deviceHelloSchema,
  MAX_HEARTBEAT_BYTES,
  MAX_HELLO_BYTES,
  type DeviceHeartbeat,
  type DeviceHello,
} from "../../protocol/device/status.ts";
import { jsonCodec } from "../../protocol/json-codec.ts";

/** Longest log message; the device's own journal holds the rest. */
export const MAX_LOG_BYTES = 4_096;

export class DeviceMessages {
  readonly #hellos = jsonCodec(deviceHelloSchema);
  readonly #reports = jsonCodec(deviceReportSchema);
  /** In the order of CODECS. */
  readonly #heartbeats: readonly Codec<DeviceHeartbeat>[] = CODECS.map(heartbeatCodec);

  hello(payload: Buffer): DeviceHello | DecodeFault {
    return decode(this.#hellos, payload, MAX_HELLO_BYTES);
  }

  /** `codec`: an index of CODECS. */
  heartbeat(payload: Buffer, codec: number): DeviceHeartbeat | DecodeFault {
    const named = this.#heartbeats[codec] as Codec<DeviceHeartbeat>;
    return decode(named, payload, MAX_HEARTBEAT_BYTES);
  }

  report(payload: Buffer): DeviceReport | DecodeFault {
    return decode(this.#reports, payload, MAX_REPORT_BYTES);
  }

  /** Any text; control characters become spaces, so that a line of our log stays one line. */
  log(payload: Buffer): string | DecodeFault {
    if (payload.length === 0) return new DecodeFault("it is empty");
    if (payload.length > MAX_LOG_BYTES) return tooLong(payload, MAX_LOG_BYTES);
    if (!isUtf8(payload)) return new DecodeFault("it is not UTF-8");
    return payload.toString("utf8").replaceAll(/\p{Cc}/gu, " ");
  }
}

function decode<Message>(
  codec: Codec<Message>,
  payload: Buffer,
  maxBytes: number,
): Message | DecodeFault {
  return payload.length > maxBytes ? tooLong(payload, maxBytes) : codec.decode(payload);
}

function tooLong({ length }: Buffer, maxBytes: number): DecodeFault {
  return new DecodeFault(`it has ${length} bytes, and may have ${maxBytes}`);
}
