// SPDX-License-Identifier: Apache-2.0
/**
 * Options of a role from a YAML file (`--config`): the same names as on the command line, in
 * camelCase; the command line wins. Values go through the options' own parsers, so that both say
 * the same of a wrong one, the file with its line.
 *
 *     # gateway.yaml
 *     data: /var/lib/muster/gateway
 *     region: eu
 *     mqttsPort: 8883
 */
import { InvalidArgumentError, Option, type Command } from "commander";
import { MusterError } from "../../domain/errors.ts";
import { LOG_LEVELS, type LogLevel } from "../../runtime/pino-logger.ts";
import { didYouMean, fieldError } from "../documents/document-errors.ts";
import { MAX_YAML_BYTES, parseYaml, type YamlSource } from "../documents/yaml-source.ts";
import { readBounded } from "../files.ts";

/** What every role is told. */
export interface RoleOptions {
  readonly config?: string;
  readonly readyFile?: string;
  readonly logLevel: LogLevel;
  readonly logFile?: string;
}

/** Declares them, after the role's own. */
export function addRoleOptions(command: Command): void {
  command
    .option("--config <file>", "YAML file with these options; the command line wins")
    .option("--ready-file <file>", "write JSON with the bound ports here when it is ready")
    .addOption(
      new Option("--log-level <level>", "least level that is logged")
        .choices(LOG_LEVELS)
        .default("info"),
    )
    .option("--log-file <file>", "append the log to this file instead of standard error");
}

/** Fills in from `--config` what the command line left out. */
export async function mergeConfigFile(command: Command): Promise<void> {
  const file = command.opts<{ config?: string }>().config;
  if (file === undefined) return;
  const bytes = await readBounded(file, {
    attempted: "reading the configuration",
    maxBytes: MAX_YAML_BYTES,
  });
  const [source, ...more] = parseYaml(bytes.toString("utf8"), file);
  if (source === undefined) return;
  if (more.length > 0) {
    throw new MusterError({
      code: "invalid_argument",
      message: "a configuration is one YAML document",
      detail: { file },
    });
  }
  if (typeof source.value !== "object" || source.value === null || Array.isArray(source.value)) {
    throw fieldError(source, [], { message: "must be a mapping of options, as `region: eu`" });
  }
  for (const [name, value] of Object.entries(source.value)) {
    setFromFile({ command, source, name, value });
  }
}

/** The option's value, or `invalid_argument` that names it. */
export function requireOption<Value>(value: Value | undefined, flag: string): Value {
  if (value !== undefined) return value;
  throw new MusterError({
    code: "invalid_argument",
    message: `the option ${flag} is missing`,
    detail: { hint: "give it on the command line or in the file of --config" },
  });
}

function setFromFile(options: {
  command: Command;
  source: YamlSource;
  name: string;
  value: unknown;
}): void {
  const { command, source, name, value } = options;
  const known = command.options.filter((option) => option.attributeName() !== "config");
  const option = known.find((candidate) => candidate.attributeName() === name);
  if (option === undefined) {
    const names = known.map((candidate) => candidate.attributeName());
    throw fieldError(source, [name], {
      message: `unknown option ${JSON.stringify(name)}`,
      hint: didYouMean(name, names) ?? `options are ${names.join(", ")}`,
      position: source.positionOfKey([name]),
    });
  }
  const given = command.getOptionValueSource(name);
  if (given !== undefined && given !== "default") return;
  const parsedValue = parseValue(source, option, value);
  command.setOptionValueWithSource(name, parsedValue, "config");
}

/** A list or mapping is given to the option's parser entry by entry, as repeated flags would be. */
function parseValue(source: YamlSource, option: Option, value: unknown): unknown {
  const name = option.attributeName();
  if (!option.required && !option.optional) {
    if (typeof value === "boolean") return value;
    throw fieldError(source, [name], { message: "must be true or false" });
  }
  let result: unknown;
  for (const text of entryTexts(source, name, value))
    result = parseText(source, option, text, result);
  return result;
}

function entryTexts(source: YamlSource, name: string, value: unknown): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  if (Array.isArray(value)) return value.flatMap((entry) => entryTexts(source, name, entry));
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).map(([key, entry]) => `${key}=${String(entry)}`);
  }
  throw fieldError(source, [name], { message: "must be text or a number" });
}

function parseText(source: YamlSource, option: Option, text: string, previous: unknown): unknown {
  const name = option.attributeName();
  if (option.argChoices !== undefined && !option.argChoices.includes(text)) {
    const message = `must be one of ${option.argChoices.join(", ")}, not ${JSON.stringify(text)}`;
    throw fieldError(source, [name], { message, hint: didYouMean(text, option.argChoices) });
  }
  if (option.argChoices !== undefined || option.parseArg === undefined) return text;
  try {
    return option.parseArg(text, previous);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const quoted = JSON.stringify(text);
    const message = error.message.startsWith(quoted)
      ? error.message
      : `${quoted}: ${error.message}`;
    throw fieldError(source, [name], { message });
  }
}
