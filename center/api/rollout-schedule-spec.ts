// SPDX-License-Identifier: Apache-2.0
/** Of a rollout's spec: when, and after whose approval. From the wire, checked, and back. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { formatInstant } from "../../domain/civil-time.ts";
import { MusterError } from "../../domain/errors.ts";
import { checkName } from "../../domain/identity.ts";
import type { RolloutSpec } from "../../domain/rollout.ts";
import { MAX_AFTER } from "../../domain/rollout-order.ts";
import { DAY_MINUTES, DAYS, isTimeZone, type Window } from "../../domain/window.ts";
import {
  DEVICE_ZONE,
  hasWindows,
  NO_WINDOWS,
  type WindowPolicy,
} from "../../domain/zone-windows.ts";
import { MAX_WINDOWS } from "../../protocol/device/offer.ts";
import {
  Approval,
  type RolloutSpecSchema,
  type Window as WireWindow,
  type RolloutSpec as WireSpec,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";

/** The year 9999 ends here; nothing is planned behind it. */
const LAST_MS = 253_402_300_799_999n;

type Schedule = Pick<
  RolloutSpec,
  "notBeforeMs" | "expiresAtMs" | "windows" | "approval" | "priority" | "compatible" | "after"
>;

/** Throws `invalid_argument` at the first field that is wrong. */
export function readSchedule(wire: WireSpec): Schedule {
  const notBeforeMs = instant(wire.notBeforeMs, "spec.notBefore");
  const expiresAtMs = instant(wire.expiresAtMs, "spec.expires");
  if (expiresAtMs !== 0 && expiresAtMs <= notBeforeMs) {
    throw invalid(
      "spec.expires",
      `${formatInstant(expiresAtMs)} is not later than notBefore, ${formatInstant(notBeforeMs)}`,
    );
  }
  const windows = readPolicy(wire.windows);
  const approval = wire.approval === Approval.REQUIRED ? "required" : "none";
  const { priority, compatible } = wire;
  return {
    notBeforeMs,
    expiresAtMs,
    windows,
    approval,
    priority,
    compatible,
    after: readAfter(wire.after),
  };
}

function readAfter(names: readonly string[]): readonly string[] {
  if (names.length > MAX_AFTER)
    throw invalid("spec.after", `names more than ${MAX_AFTER} rollouts`);
  names.forEach((name, index) => {
    const field = `spec.after[${index}]`;
    checkName(name, "rollout name", field);
    if (names.indexOf(name) !== index) throw invalid(field, `names ${name} twice`);
  });
  return names;
}

/** Nothing where there are no windows. */
export function windowsMessage(
  policy: WindowPolicy,
): Pick<MessageInitShape<typeof RolloutSpecSchema>, "windows"> {
  if (!hasWindows(policy)) return {};
  const list = (windows: readonly Window[]): { days: string[] }[] =>
    windows.map((window) => ({ ...window, days: [...window.days] }));
  return {
    windows: { ...policy, install: list(policy.install), download: list(policy.download) },
  };
}

/** 0 = not set. */
function instant(value: bigint, field: string): number {
  if (value >= 0n && value <= LAST_MS) return Number(value);
  throw invalid(field, `${value} is not in milliseconds since 1970`);
}

function readPolicy(wire: WireSpec["windows"]): WindowPolicy {
  if (wire === undefined) return NO_WINDOWS;
  const timeZone = wire.timeZone === "" ? DEVICE_ZONE : wire.timeZone;
  if (timeZone !== DEVICE_ZONE) checkZone(timeZone, "spec.windows.timeZone");
  const defaultTimeZone =
    wire.defaultTimeZone === "" ? NO_WINDOWS.defaultTimeZone : wire.defaultTimeZone;
  checkZone(defaultTimeZone, "spec.windows.defaultTimeZone");
  return {
    install: readWindows(wire.install, "spec.windows.install"),
    download: readWindows(wire.download, "spec.windows.download"),
    timeZone,
    defaultTimeZone,
  };
}

function checkZone(name: string, field: string): void {
  if (name.length <= 64 && isTimeZone(name)) return;
  throw invalid(field, `${JSON.stringify(name.slice(0, 64))} is not a time zone`);
}

function readWindows(wire: readonly WireWindow[], field: string): Window[] {
  if (wire.length > MAX_WINDOWS) throw invalid(field, `has more than ${MAX_WINDOWS} windows`);
  return wire.map(({ days, fromMinute, toMinute }, index) => {
    const at = `${field}[${index}]`;
    const known = DAYS.filter((day) => days.includes(day));
    if (known.length !== new Set(days).size) throw invalid(`${at}.days`, "has a day that is none");
    if (fromMinute >= DAY_MINUTES) throw invalid(`${at}.from`, "is not a minute of the day");
    if (toMinute < 1 || toMinute > DAY_MINUTES) {
      throw invalid(`${at}.to`, "is not a minute of the day");
    }
    return { days: known.length === 0 ? DAYS : known, fromMinute, toMinute };
  });
}

function invalid(field: string, message: string): MusterError {
  return new MusterError({ code: "invalid_argument", message, detail: { field } });
}
