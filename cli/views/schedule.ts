// SPDX-License-Identifier: Apache-2.0
/** When a rollout may do something, as facts of its plan and of itself. */
import { formatInstant } from "../../domain/civil-time.ts";
import { DAYS } from "../../domain/window.ts";
import { formatWindow } from "../../domain/window-text.ts";
import { DEVICE_ZONE } from "../../domain/zone-windows.ts";
import type {
  Bandwidth,
  Plan,
  RolloutSpec,
  Window,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { countOf, formatBytes, formatCount } from "../output/units.ts";
import type { Fact } from "./fact-lines.ts";

/** Empty where the rollout may do all of it at any time. */
export function scheduleFacts(spec: RolloutSpec | undefined): Fact[] {
  return [
    ["not before", instantText(spec?.notBeforeMs ?? 0n)],
    ["expires", instantText(spec?.expiresAtMs ?? 0n)],
    ["installs", windowsText(spec, spec?.windows?.install ?? [])],
    ["priority", spec === undefined || spec.priority === 0 ? "" : String(spec.priority)],
    ["beside others", spec?.compatible === true ? "compatible with other slots" : ""],
    ["together", spec?.together === "" ? "" : `by label ${spec?.together ?? ""}`],
    ["after", (spec?.after ?? []).join(", ")],
    ["downloads", windowsText(spec, spec?.windows?.download ?? [])],
    ["bandwidth", bandwidthText(spec?.bandwidth)],
  ];
}

/** `1.0 MiB/s a device, 5.0 MiB/s a site`; "" without caps. */
function bandwidthText(bandwidth: Bandwidth | undefined): string {
  if (bandwidth === undefined) return "";
  const caps: readonly (readonly [bigint, string])[] = [
    [bandwidth.deviceBytesPerSecond, "device"],
    [bandwidth.siteBytesPerSecond, "site"],
    [bandwidth.gatewayBytesPerSecond, "gateway"],
  ];
  return caps
    .filter(([rate]) => rate > 0n)
    .map(([rate, place]) => `${formatBytes(Number(rate))}/s a ${place}`)
    .join(", ");
}

/** In which zones the devices of a plan are: `Europe/Berlin 120, UTC 3 (assumed)`. */
export function zoneText({ zones }: Plan): string {
  return zones
    .map(({ name, deviceCount, assumedCount }) => {
      const assumed = assumedCount === 0 ? "" : ` (${countOf(assumedCount, "device")} state none)`;
      return `${name} ${formatCount(deviceCount)}${assumed}`;
    })
    .join(", ");
}

function instantText(atMs: bigint): string {
  return atMs === 0n ? "" : formatInstant(Number(atMs));
}

function windowsText(spec: RolloutSpec | undefined, windows: readonly Window[]): string {
  if (windows.length === 0) return "";
  const times = windows.map((window) =>
    formatWindow({ ...window, days: DAYS.filter((day) => window.days.includes(day)) }),
  );
  const zone = spec?.windows?.timeZone ?? "";
  return `begin ${times.join(", ")} ${zone === DEVICE_ZONE ? "on the device's clock" : zone}`;
}
