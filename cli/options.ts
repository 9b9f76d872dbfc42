// SPDX-License-Identifier: Apache-2.0
/** Options that many commands share, declared once so that they read the same in every help. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { parseRate as parseBytesPerSecond } from "../domain/bandwidth.ts";
import { parseDurationMs } from "../domain/units.ts";
import { CODECS } from "../protocol/device/codec-names.ts";
import { MAX_WORKERS } from "../protocol/link/gateway-worker.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "./output/format.ts";

/** Where the center is and who asks. */
export interface ConnectionOptions {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly tenant?: string;
}

export interface OutputOptions {
  readonly output: OutputFormat;
}

/** What every change carries into the audit log. */
export interface ReasonOptions {
  readonly reason?: string;
}

export function addConnectionOptions(command: Command): void {
  command
    .option("--server <url>", "address of the center (or MUSTER_SERVER)")
    .option("--token-file <file>", "file with the operator token (or MUSTER_TOKEN)")
    .option("--ca-file <file>", "PEM file with the authority of the center's certificate")
    .option("--tenant <name>", "whose fleet (or MUSTER_TENANT)");
}

export function addOutputOption(command: Command): void {
  command.addOption(
    new Option("-o, --output <format>", "form of the data on standard output")
      .choices(OUTPUT_FORMATS)
      .default("table"),
  );
}

export function addReasonOption(command: Command): void {
  command.option("--reason <text>", "why, for the audit log (≤ 500 characters)");
}

export function addLimitOption(command: Command): void {
  command.addOption(
    new Option("--limit <count>", "how many to list; 0 lists all")
      .default(100)
      .argParser(parseCount),
  );
}

/** Parser of a whole number of 0 or more. */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Give a whole number.");
  return Number(text);
}

/** Parser of a number of worker processes. */
export function parseWorkers(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MAX_WORKERS) {
    throw new InvalidArgumentError(`Give a number, 1 to ${MAX_WORKERS}.`);
  }
  return count;
}

/** Parser of a port; 0 takes a free one. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65_535) throw new InvalidArgumentError("Give a port, 0 to 65535.");
  return port;
}

/** Parser of a rate such as `100MiB/s`, in bytes a second. */
export function parseRate(text: string): number {
  return checkedOption(() => parseBytesPerSecond(text, ""));
}

/** Parser of a size such as `20GiB`, in bytes. */
export function parseSize(text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(MiB|GiB|TiB)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Give a size as 512MiB, 20GiB or 1TiB.");
  const power = ["MiB", "GiB", "TiB"].indexOf(match[2] ?? "") + 2;
  return Math.round(Number(match[1]) * 1_024 ** power);
}

/** Parser of a duration such as `30s`, `5m` or `14d`, in milliseconds. */
function parseDuration(text: string): number {
  return checkedOption(() => parseDurationMs(text, "duration"));
}

function checkedOption<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** An option that takes a duration; help shows the default as it is written here. */
export function durationOption(flags: string, description: string, defaultText: string): Option {
  return new Option(flags, description)
    .argParser(parseDuration)
    .default(parseDuration(defaultText), defaultText);
}

/** How a device writes its heartbeats. */
export function codecOption(description: string): Option {
  return new Option("--codec <name>", description).choices(CODECS).default(CODECS[0]);
}

/** Collects an option that may be given more than once, or once with commas. */
export function collect(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, ...text.split(",").filter((part) => part !== "")];
}

/** Collects `key=value` pairs of an option that may be given more than once. */
export function collectPairs(
  text: string,
  previous: { readonly [key: string]: string } = {},
): { readonly [key: string]: string } {
  const pairs = { ...previous };
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    if (equals < 1) throw new InvalidArgumentError("Give key=value, more with commas.");
    pairs[part.slice(0, equals)] = part.slice(equals + 1);
  }
  return pairs;
}
