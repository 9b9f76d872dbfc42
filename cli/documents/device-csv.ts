// SPDX-License-Identifier: Apache-2.0
/**
 * The CSV of `muster device import` (RFC 4180, UTF-8, with a header):
 *
 *     id,region,site,labels,serviceLevel,critical
 *     till-0042,eu,berlin-3,ring=canary;floor=2,gold,true
 *
 * `id` and `region` are required, the order of columns is free. Labels are `name=value` with `;`
 * between; `critical` is true, false or empty. A device that speaks CoAP has `oscoreSenderId`,
 * `oscoreSecret` and, where it has one, `oscoreSalt`, in hex. Rows are read as a stream and judged
 * one by one.
 */
import type { Readable } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { CsvError, parse } from "csv-parse";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { checkDeviceId, checkName } from "../../domain/identity.ts";
import type { DeviceRegistrationSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { didYouMean } from "./document-errors.ts";

export type DeviceRow = MessageInitShape<typeof DeviceRegistrationSchema> & { id: string };

export type CsvRow =
  | { readonly line: number; readonly device: DeviceRow }
  | { readonly line: number; readonly error: MusterError };

const USUAL_COLUMNS = ["id", "region", "site", "labels", "serviceLevel", "critical"] as const;
const OSCORE_COLUMNS = ["oscoreSenderId", "oscoreSecret", "oscoreSalt"] as const;
const COLUMNS = [...USUAL_COLUMNS, ...OSCORE_COLUMNS] as const;
type ColumnName = (typeof COLUMNS)[number];
const REQUIRED: readonly ColumnName[] = ["id", "region"];

/** A row of labels is a few hundred bytes; more is a file that is not a CSV. */
const MAX_ROW_CHARACTERS = 65_536;
const MAX_LABELS = 64;

/** Every row in order. Throws `invalid_argument` for a wrong header or a file that is not CSV. */
export async function* readDeviceCsv(input: Readable, file: string): AsyncGenerator<CsvRow> {
  const parser = parse({
    bom: true,
    trim: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: MAX_ROW_CHARACTERS,
    info: true,
  });
  input.on("error", (error) => parser.destroy(error));
  input.pipe(parser);
  let header: readonly ColumnName[] | null = null;
  const lineById = new Map<string, number>();
  try {
    for await (const item of parser) {
      const { record, info } = item as { record: string[]; info: { lines: number } };
      if (header === null) header = checkHeader(record, file);
      else yield judgeRow({ header, cells: record, line: info.lines, file, lineById });
    }
  } catch (error) {
    throw toCsvError(error, file);
  }
  if (header === null) throw csvError(file, 1, { message: "the file is empty", hint: HEADER_HINT });
}

const HEADER_HINT = `the first line names the columns: ${USUAL_COLUMNS.join(",")}`;

function checkHeader(cells: readonly string[], file: string): readonly ColumnName[] {
  const header = cells.map((cell) => {
    const column = COLUMNS.find((name) => name.toLowerCase() === cell.toLowerCase());
    if (column !== undefined) return column;
    throw csvError(file, 1, {
      message: `unknown column ${JSON.stringify(cell)}`,
      hint: didYouMean(cell, COLUMNS) ?? HEADER_HINT,
    });
  });
  const twice = header.find((name, index) => header.indexOf(name) !== index);
  if (twice !== undefined) {
    throw csvError(file, 1, { message: `the column ${twice} is there twice`, hint: HEADER_HINT });
  }
  const missing = REQUIRED.find((name) => !header.includes(name));
  if (missing !== undefined) {
    throw csvError(file, 1, { message: `the column ${missing} is missing`, hint: HEADER_HINT });
  }
  return header;
}

function judgeRow(options: {
  header: readonly ColumnName[];
  cells: readonly string[];
  line: number;
  file: string;
  lineById: Map<string, number>;
}): CsvRow {
  const { header, cells, line, file, lineById } = options;
  try {
    if (cells.length !== header.length) {
      const message = `the row has ${cells.length} cells, the header has ${header.length}`;
      throw csvError(file, line, { message });
    }
    const device = toDevice((name) => cells[header.indexOf(name)] ?? "");
    const before = lineById.get(device.id);
    if (before !== undefined) {
      const message = `the device ${device.id} is there already, on line ${before}`;
      throw csvError(file, line, { message, field: "id" });
    }
    lineById.set(device.id, line);
    return { line, device };
  } catch (error) {
    if (!isMusterError(error)) throw error;
    return { line, error: placed(error, file, line) };
  }
}

function toDevice(cell: (name: ColumnName) => string): DeviceRow {
  const id = cell("id");
  checkDeviceId(id, "id");
  checkName(cell("region"), "region", "region");
  if (cell("site") !== "") checkName(cell("site"), "site", "site");
  return {
    id,
    region: cell("region"),
    site: cell("site"),
    labels: parseLabels(cell("labels")),
    serviceLevel: cell("serviceLevel"),
    critical: parseCritical(cell("critical")),
    ...parseOscore(cell),
  };
}

/**
 * RFC 8613 §3.2: of AES-CCM-16-64-128 an id has 7 bytes at most; the empty one is the gateway's.
 */
function parseOscore(cell: (name: ColumnName) => string): Pick<DeviceRow, "oscore"> {
  if (OSCORE_COLUMNS.every((name) => cell(name) === "")) return {};
  const senderId = parseHex(cell, "oscoreSenderId", 1, 7);
  const masterSecret = parseHex(cell, "oscoreSecret", 16, 64);
  const masterSalt = parseHex(cell, "oscoreSalt", 0, 64);
  return { oscore: { senderId, masterSecret, masterSalt } };
}

/** The cell is not quoted in the error: it may be a secret. */
function parseHex(
  cell: (name: ColumnName) => string,
  name: ColumnName,
  leastBytes: number,
  mostBytes: number,
): Uint8Array {
  const text = cell(name);
  const byteCount = text.length / 2;
  const isHex = /^([0-9a-f]{2})*$/i.test(text);
  if (isHex && byteCount >= leastBytes && byteCount <= mostBytes) return Buffer.from(text, "hex");
  throw cellError(name, `${name} must be ${leastBytes}–${mostBytes} bytes in hex`);
}

function parseLabels(text: string): { [name: string]: string } {
  const labels: { [name: string]: string } = {};
  for (const part of text.split(";").map((label) => label.trim())) {
    if (part === "") continue;
    const match = /^([A-Za-z][A-Za-z0-9._-]{0,62})=(.{0,256})$/.exec(part);
    if (match === null) throw cellError("labels", `${JSON.stringify(part)} is not name=value`);
    labels[match[1] ?? ""] = match[2] ?? "";
  }
  const count = Object.keys(labels).length;
  if (count > MAX_LABELS) {
    throw cellError("labels", `the device has ${count} labels, the limit is ${MAX_LABELS}`);
  }
  return labels;
}

function parseCritical(text: string): boolean {
  const value = text.toLowerCase();
  if (value === "true") return true;
  if (value === "false" || value === "") return false;
  throw cellError("critical", `${JSON.stringify(text)} is neither true nor false`);
}

function cellError(field: ColumnName, message: string): MusterError {
  return new MusterError({ code: "invalid_argument", message, detail: { field } });
}

function placed(error: MusterError, file: string, line: number): MusterError {
  return new MusterError({
    code: error.code,
    message: error.message,
    detail: { ...error.detail, file, line },
  });
}

function csvError(
  file: string,
  line: number,
  options: { message: string; hint?: string; field?: string },
): MusterError {
  const { message, ...detail } = options;
  return new MusterError({ code: "invalid_argument", message, detail: { file, line, ...detail } });
}

/** The parser's own errors count lines and rows; those of the file system do not. */
function toCsvError(error: unknown, file: string): unknown {
  if (!(error instanceof CsvError)) return error;
  const { code, lines, records, empty_lines: emptyLines } = error as CsvError & ParserCounts;
  // The parser is at the end of the file when it misses the closing quote; the row began earlier.
  const isUnclosed = code === "CSV_QUOTE_NOT_CLOSED";
  const sentences: { readonly [code: string]: string } = {
    CSV_QUOTE_NOT_CLOSED: "a quote that opens in this row is never closed",
    CSV_MAX_RECORD_SIZE: `the row is longer than ${MAX_ROW_CHARACTERS} characters`,
  };
  return csvError(file, isUnclosed ? records + emptyLines + 1 : lines, {
    message: sentences[code] ?? "a quote stands where none may be",
    hint: 'write a quote inside a quoted cell twice: ""',
  });
}

interface ParserCounts {
  readonly lines: number;
  readonly records: number;
  readonly empty_lines: number;
}
