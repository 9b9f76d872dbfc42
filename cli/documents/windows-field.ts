// SPDX-License-Identifier: Apache-2.0
/**
 * `windows` of a rollout:
 *
 *     windows:
 *       install: [{ days: [mon-fri], from: "22:00", to: "05:00" }]
 *       download: [{ from: "20:00", to: "06:00" }]
 *       timeZone: device            # or an IANA name, as Europe/Berlin
 *       defaultTimeZone: UTC        # of devices that state none
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import { DAY_MINUTES, isTimeZone, type Day } from "../../domain/window.ts";
import { parseDays, parseTimeOfDay } from "../../domain/window-text.ts";
import { DEVICE_ZONE } from "../../domain/zone-windows.ts";
import { MAX_WINDOWS } from "../../protocol/device/offer.ts";
import type { WindowsSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { checkedText, parsed } from "./field-types.ts";

interface WindowFields {
  readonly days?: readonly (readonly Day[])[] | undefined;
  /** Minutes after midnight. */
  readonly from: number;
  readonly to: number;
}

export interface WindowsFields {
  readonly install?: readonly WindowFields[] | undefined;
  readonly download?: readonly WindowFields[] | undefined;
  readonly timeZone?: string | undefined;
  readonly defaultTimeZone?: string | undefined;
}

const windowField: z.ZodType<WindowFields> = z.strictObject({
  days: z
    .array(parsed((text) => parseDays(text, "")))
    .min(1)
    .max(7)
    .optional(),
  from: parsed((text) => {
    const minute = parseTimeOfDay(text, "");
    if (minute < DAY_MINUTES) return minute;
    throw invalid("a window cannot open at 24:00; write 00:00 of the day after");
  }),
  // Midnight is the end of the day there.
  to: parsed((text) => parseTimeOfDay(text, "") || DAY_MINUTES),
});

const windowsOfOneKind = z.array(windowField).min(1).max(MAX_WINDOWS);

function zone(words: readonly string[]): z.ZodType<string> {
  return checkedText((text) => {
    if (words.includes(text) || isTimeZone(text)) return;
    throw invalid(`${JSON.stringify(text.slice(0, 64))} is not a time zone like Europe/Berlin`);
  });
}

export const windowsField: z.ZodType<WindowsFields> = z
  .strictObject({
    install: windowsOfOneKind.optional(),
    download: windowsOfOneKind.optional(),
    timeZone: zone([DEVICE_ZONE]).optional(),
    defaultTimeZone: zone([]).optional(),
  })
  .refine(({ install, download }) => install !== undefined || download !== undefined, {
    message: "has no windows: name install, download or both",
  });

export function toWindows(fields: WindowsFields): MessageInitShape<typeof WindowsSchema> {
  const list = (windows: readonly WindowFields[] = []) =>
    windows.map(({ days = [], from, to }) => ({
      days: [...new Set(days.flat())],
      fromMinute: from,
      toMinute: to,
    }));
  return {
    install: list(fields.install),
    download: list(fields.download),
    timeZone: fields.timeZone ?? "",
    defaultTimeZone: fields.defaultTimeZone ?? "",
  };
}

function invalid(message: string): MusterError {
  return new MusterError({ code: "invalid_argument", message });
}
