// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { renderTable, TableLayout, type Column } from "./table.ts";

interface Row {
  readonly name: string;
  readonly count: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "NAME", cell: ({ name }) => name },
  { title: "COUNT", align: "right", cell: ({ count }) => String(count) },
  { title: "AGAIN", cell: ({ name }) => name },
];

describe("a table", () => {
  test("aligns its columns and shows what is empty as a dash", () => {
    const rows = [
      { name: "till", count: 5 },
      { name: "", count: 1_000 },
    ];
    assert.deepEqual(renderTable({ columns: COLUMNS, rows, terminalWidth: null }), [
      "NAME  COUNT  AGAIN",
      "till      5  till",
      "-      1000  -",
    ]);
  });

  test("is cut to the width of a terminal, and only there", () => {
    const rows = [{ name: "a-long-name-of-a-device", count: 1 }];
    const cut = renderTable({ columns: COLUMNS, rows, terminalWidth: 30 });
    assert.deepEqual(cut, ["NAME                     COUN…", "a-long-name-of-a-device…"]);
    const whole = renderTable({ columns: COLUMNS, rows, terminalWidth: null });
    assert.equal(whole[1], "a-long-name-of-a-device      1  a-long-name-of-a-device");
  });

  test("lets no cell repaint the terminal", () => {
    const rows = [{ name: "till\u001b[2J\nrm", count: 1 }];
    const [, line] = renderTable({ columns: COLUMNS, rows, terminalWidth: null });
    assert.equal(line, "till [2J rm      1  till [2J rm");
  });

  test("counts wide and combining characters as a terminal does", () => {
    const rows = [
      { name: "店", count: 1 },
      { name: "e\u0301", count: 2 },
    ];
    const lines = renderTable({ columns: COLUMNS, rows, terminalWidth: null });
    assert.equal(lines[1], "店        1  店");
    assert.equal(lines[2], "e\u0301         2  e\u0301");
  });

  test("that arrives in pages has its titles once and keeps its widths", () => {
    const layout = new TableLayout({ columns: COLUMNS, terminalWidth: null });
    assert.equal(layout.lines([{ name: "a-long-name", count: 1 }]).length, 2);
    assert.deepEqual(layout.lines([{ name: "b", count: 2 }]), ["b                2  b"]);
  });
});
