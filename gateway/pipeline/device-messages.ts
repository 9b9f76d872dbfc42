// SPDX-License-Identifier: Apache-2.0
/**
 * The bytes of a device's message as a value that fits its contract, or null. The length is looked
 * at first: what is too long is not even parsed. Nothing is thrown, whatever the bytes are.
 */
import { isUtf8 } from "node:buffer";
import type { ZodType } from "zod";
import {
  deviceHeartbeatSchema,
  deviceHelloSchema,
  MAX_HEARTBEAT_BYTES,
  MAX_HELLO_BYTES,
  type DeviceHeartbeat,
  type DeviceHello,
} from "../../protocol/device/status.ts";
import {
  deviceReportSchema,
  MAX_REPORT_BYTES,
  type DeviceReport,
} from "../../protocol/device/report.ts";

/** Longest log message; the device's own journal holds the rest. */
export const MAX_LOG_BYTES = 4_096;

export function decodeHello(payload: Buffer): DeviceHello | null {
  return decode(deviceHelloSchema, payload, MAX_HELLO_BYTES);
}

export function decodeHeartbeat(payload: Buffer): DeviceHeartbeat | null {
  return decode(deviceHeartbeatSchema, payload, MAX_HEARTBEAT_BYTES);
}

export function decodeReport(payload: Buffer): DeviceReport | null {
  return decode(deviceReportSchema, payload, MAX_REPORT_BYTES);
}

/** Any text; control characters become spaces, so that a line of our log stays one line. */
export function decodeLog(payload: Buffer): string | null {
  if (payload.length === 0 || payload.length > MAX_LOG_BYTES || !isUtf8(payload)) return null;
  return payload.toString("utf8").replaceAll(/\p{Cc}/gu, " ");
}

function decode<Message>(
  schema: ZodType<Message>,
  payload: Buffer,
  maxBytes: number,
): Message | null {
  if (payload.length > maxBytes || !isUtf8(payload)) return null;
  try {
    const json: unknown = JSON.parse(payload.toString("utf8"));
    const parsed = schema.safeParse(json);
    return parsed.success ? parsed.data : null;
  } catch {
    return null; // Not JSON. The sender is told by a reason code, the operator by a counter.
  }
}
