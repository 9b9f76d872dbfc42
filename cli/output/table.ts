// SPDX-License-Identifier: Apache-2.0
/**
 * Aligned columns. On a terminal a row is cut to its width (the last columns give way), elsewhere
 * it is never cut, so that `grep` and `awk` see everything. Empty cells print as "-", so that
 * every row has the same number of words where values have no spaces.
 */
import { displayWidth, truncate } from "./text-width.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers read better on the right; default left. */
  readonly align?: "left" | "right";
}

const GAP = "  ";

/** A table whose rows arrive page by page: widths are fixed by the first page and only grow. */
export class TableLayout<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #widths: number[];
  readonly #terminalWidth: number | null;
  #headed = false;

  /** `terminalWidth` null = not a terminal. */
  constructor(options: { columns: readonly Column<Row>[]; terminalWidth: number | null }) {
    this.#columns = options.columns;
    this.#terminalWidth = options.terminalWidth;
    this.#widths = options.columns.map(({ title }) => displayWidth(title));
  }

  /** The lines of these rows, with the titles before the first ones. */
  lines(rows: readonly Row[]): string[] {
    const cells = rows.map((row) => this.#columns.map((column) => oneLine(column.cell(row))));
    for (const row of cells) {
      row.forEach((cell, index) => {
        this.#widths[index] = Math.max(this.#widths[index] ?? 0, displayWidth(cell));
      });
    }
    const lines = cells.map((row) => this.#line(row));
    if (this.#headed) return lines;
    this.#headed = true;
    return [this.#line(this.#columns.map(({ title }) => title)), ...lines];
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, index) => {
      const space = " ".repeat((this.#widths[index] ?? 0) - displayWidth(cell));
      return this.#columns[index]?.align === "right" ? space + cell : cell + space;
    });
    const line = padded.join(GAP).trimEnd();
    return this.#terminalWidth === null ? line : truncate(line, this.#terminalWidth);
  }
}

/** All rows at once. */
export function renderTable<Row>(options: {
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  terminalWidth: number | null;
}): string[] {
  return new TableLayout(options).lines(options.rows);
}

/** Control characters would let a device's label repaint the operator's terminal. */
function oneLine(cell: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are the subject.
  const clean = cell.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return clean === "" ? "-" : clean;
}
