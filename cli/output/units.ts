// SPDX-License-Identifier: Apache-2.0
/** Numbers as a person reads them. Machine-readable output never passes through here. */

const BYTE_UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

/** `1536` → "1.5 KiB". */
export function formatBytes(byteCount: number): string {
  if (byteCount < 1_024) return `${byteCount} B`;
  let value = byteCount;
  let unit: string = "B";
  for (const next of BYTE_UNITS) {
    if (value < 1_024) break;
    value /= 1_024;
    unit = next;
  }
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}

/** `90_000` → "1m 30s"; the two largest units, and "0s" below a second. */
export function formatElapsed(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  const parts: readonly [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

/** An instant as UTC to the second: "2026-03-04 05:06:07Z"; "-" for 0, which means never. */
export function formatInstant(atMs: bigint | number): string {
  const value = Number(atMs);
  if (value === 0) return "-";
  return `${new Date(value).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** How long ago, for lists: "12s", "3h"; "never" for 0. */
export function formatAge(atMs: bigint | number, nowMs: number): string {
  const value = Number(atMs);
  if (value === 0) return "never";
  return formatElapsed(Math.max(0, nowMs - value)).split(" ")[0] ?? "0s";
}

/** `1234567` → "1,234,567". */
export function formatCount(count: number | bigint): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** "1 device", "2 devices". */
export function countOf(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
