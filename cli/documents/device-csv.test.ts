// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { describeError, isMusterError } from "../../domain/errors.ts";
import { readDeviceCsv, type CsvRow } from "./device-csv.ts";

async function read(text: string): Promise<CsvRow[]> {
  const rows: CsvRow[] = [];
  for await (const row of readDeviceCsv(Readable.from([text]), "devices.csv")) rows.push(row);
  return rows;
}

/** What a person reads of each row: its id, or what is wrong with it. */
async function outcome(text: string): Promise<string[]> {
  const rows = await read(text);
  return rows.map((row) => ("device" in row ? row.device.id : describeError(row.error)));
}

const HEADER = "id,region,site,labels,serviceLevel,critical\n";

describe("a CSV of devices", () => {
  test("gives the devices with everything that is known of them", async () => {
    const rows = await read(`${HEADER}till-1,eu,berlin-3,"ring=canary; floor=2",gold,TRUE\n`);
    assert.deepEqual(rows, [
      {
        line: 2,
        device: {
          id: "till-1",
          region: "eu",
          site: "berlin-3",
          labels: { ring: "canary", floor: "2" },
          serviceLevel: "gold",
          critical: true,
        },
      },
    ]);
  });

  test("may have its columns in any order, a byte order mark, CRLF and empty lines", async () => {
    const rows = await outcome("\ufeffRegion,ID\r\neu,till-1\r\n\r\nus,till-2\r\n");
    assert.deepEqual(rows, ["till-1", "till-2"]);
  });

  test("names every bad row with its line, and goes on", async () => {
    const rows = await outcome(
      HEADER +
        "till 1,eu,,,,\n" +
        "till-2,EU,,,,\n" +
        "till-3,eu,berlin 3,,,\n" +
        "till-4,eu,,ring,,\n" +
        "till-5,eu,,,,maybe\n" +
        "till-6,eu\n" +
        "till-7,eu,,,,false\n" +
        "till-7,eu,,,,\n",
    );
    assert.deepEqual(rows, [
      'devices.csv:2 (id): device id "till 1" is not 1–128 characters of A–Z a–z 0–9 . _ : -',
      'devices.csv:3 (region): region "EU" is not 1–63 characters of a–z 0–9 . _ - starting and ' +
        "ending with a letter or digit",
      'devices.csv:4 (site): site "berlin 3" is not 1–63 characters of a–z 0–9 . _ - starting ' +
        "and ending with a letter or digit",
      'devices.csv:5 (labels): "ring" is not name=value',
      'devices.csv:6 (critical): "maybe" is neither true nor false',
      "devices.csv:7: the row has 2 cells, the header has 6",
      "till-7",
      "devices.csv:9 (id): the device till-7 is there already, on line 8",
    ]);
  });

  test("may hold OSCORE keys in hex, and never shows them in an error", async () => {
    const header = "id,region,oscoreSenderId,oscoreSecret,oscoreSalt\n";
    const secret = "0102030405060708090A0B0C0D0E0F10";
    const [row] = await read(`${header}till-1,eu,0a01,${secret},9e7c\n`);
    assert.ok(row !== undefined && "device" in row);
    assert.deepEqual(row.device.oscore, {
      senderId: Buffer.from("0a01", "hex"),
      masterSecret: Buffer.from(secret, "hex"),
      masterSalt: Buffer.from("9e7c", "hex"),
    });
    const rows = [`till-1,eu,,${secret},`, "till-2,eu,0a,beef,", `till-3,eu,0a,${secret},x`];
    assert.deepEqual(await outcome(`${header}${rows.join("\n")}\ntill-4,eu,,,\n`), [
      "devices.csv:2 (oscoreSenderId): oscoreSenderId must be 1–7 bytes in hex",
      "devices.csv:3 (oscoreSecret): oscoreSecret must be 16–64 bytes in hex",
      "devices.csv:4 (oscoreSalt): oscoreSalt must be 0–64 bytes in hex",
      "till-4",
    ]);
  });

  const refused: readonly (readonly [name: string, text: string, message: string])[] = [
    [
      "an empty file",
      "",
      "devices.csv:1: the file is empty\n" +
        "  → the first line names the columns: id,region,site,labels,serviceLevel,critical",
    ],
    [
      "an unknown column",
      "id,regoin\n",
      'devices.csv:1: unknown column "regoin"\n  → did you mean "region"?',
    ],
    [
      "a missing column",
      "id,site\n",
      "devices.csv:1: the column region is missing\n" +
        "  → the first line names the columns: id,region,site,labels,serviceLevel,critical",
    ],
    [
      "a column that is there twice",
      "id,region,ID\n",
      "devices.csv:1: the column id is there twice\n" +
        "  → the first line names the columns: id,region,site,labels,serviceLevel,critical",
    ],
    [
      "a quote that is never closed",
      'id,region\ntill-1,eu\ntill-2,"eu\ntill-3,eu\n',
      "devices.csv:3: a quote that opens in this row is never closed\n" +
        '  → write a quote inside a quoted cell twice: ""',
    ],
    [
      "a quote inside of a cell",
      'id,region\ntill-1,e"u\n',
      "devices.csv:2: a quote stands where none may be\n" +
        '  → write a quote inside a quoted cell twice: ""',
    ],
  ];
  for (const [name, text, message] of refused) {
    test(`with ${name} is refused`, async () => {
      await assert.rejects(read(text), (error) => {
        assert(isMusterError(error));
        assert.equal(describeError(error), message);
        return true;
      });
    });
  }
});
