// SPDX-License-Identifier: Apache-2.0
/**
 * Prints results on standard output in the form the person asked for. Lists are printed as they
 * arrive, page by page, so that a listing of a whole fleet needs no memory for it.
 */
import type { Json } from "../../ports/store.ts";
import { writeData, type OutputStream, type Shell } from "../shell.ts";
import type { OutputFormat } from "./format.ts";
import { TableLayout, type Column } from "./table.ts";

/** Rows that are laid out and written together. */
const ROWS_A_CHUNK = 1_000;

/** Columns of the terminal that data goes to; null when it goes elsewhere. */
export function terminalWidth(stream: OutputStream): number | null {
  return stream.isTTY === true ? (stream.columns ?? 80) : null;
}

/** One object: `human` gives the lines of the table form. */
export async function printObject(options: {
  shell: Pick<Shell, "stdout">;
  format: OutputFormat;
  data: Json;
  human: () => readonly string[];
}): Promise<void> {
  const { shell, format, data, human } = options;
  await writeData(shell, format === "table" ? lines(human()) : await document(format, data));
}

/** One JSON text a line, for what is printed as it happens; one YAML document each for yaml. */
export async function printEvent(options: {
  shell: Pick<Shell, "stdout">;
  format: OutputFormat;
  data: Json;
  human: () => readonly string[];
}): Promise<void> {
  if (options.format === "json") {
    return writeData(options.shell, `${JSON.stringify(options.data)}\n`);
  }
  if (options.format === "yaml") await writeData(options.shell, "---\n");
  await printObject(options);
}

/** A list: an array in JSON and YAML. Returns how many were printed. */
export async function printList<Row>(options: {
  shell: Pick<Shell, "stdout">;
  format: OutputFormat;
  items: AsyncIterable<Row> | Iterable<Row>;
  columns: readonly Column<Row>[];
  data: (row: Row) => Json;
}): Promise<number> {
  const { shell, format, items, columns, data } = options;
  const layout = new TableLayout({ columns, terminalWidth: terminalWidth(shell.stdout) });
  let rows: Row[] = [];
  let count = 0;
  const flush = async (): Promise<void> => {
    if (format === "table") await writeData(shell, lines(layout.lines(rows)));
    else await writeData(shell, await listPart(format, rows.map(data), count === 0));
    count += rows.length;
    rows = [];
  };
  const end = async (): Promise<void> => {
    if (rows.length > 0 || count === 0) await flush();
    if (format === "json") await writeData(shell, count === 0 ? "[]\n" : "\n]\n");
  };
  try {
    for await (const row of items) {
      rows.push(row);
      if (rows.length === ROWS_A_CHUNK) await flush();
    }
  } catch (error) {
    // What was done before the failure must be seen, as whole JSON.
    if (rows.length > 0 || count > 0) await end();
    throw error;
  }
  await end();
  return count;
}

async function document(format: "json" | "yaml", data: Json): Promise<string> {
  return format === "json" ? `${JSON.stringify(data, null, 2)}\n` : toYaml(data);
}

async function listPart(
  format: "json" | "yaml",
  rows: readonly Json[],
  first: boolean,
): Promise<string> {
  if (format === "yaml") return rows.length === 0 && !first ? "" : toYaml(rows);
  if (rows.length === 0) return "";
  const texts = rows.map((row) => JSON.stringify(row, null, 2).replaceAll(/^/gm, "  "));
  return `${first ? "[\n" : ",\n"}${texts.join(",\n")}`;
}

/** Loaded when asked for: most commands print no YAML. */
async function toYaml(data: Json): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(data, { lineWidth: 0, aliasDuplicateObjects: false });
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}
