// SPDX-License-Identifier: Apache-2.0
/**
 * What a row of the tables of bad inputs is. A row says what is done and does it; what comes of it
 * stands in docs/reference/errors.md alone, under the row's id (page.ts).
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./world.ts";

/** Of a page: `## title`, a sentence or two, then the cases. */
export interface Area {
  readonly title: string;
  /** Markdown. */
  readonly intro: string;
  readonly cases: readonly BadInput[];
  /** All of its cases are. */
  readonly alone?: boolean;
}

export interface BadInput {
  /** Stable; the case's heading on the page begins with it. */
  readonly id: string;
  /** What is wrong, in the heading. */
  readonly title: string;
  /** What is done: a command or a request, in Markdown (`block`). */
  readonly given: string;
  /** Makes what the input needs. What it changes is not counted. `folder` is the case's own. */
  readonly arrange?: (world: World, folder: string) => Promise<void>;
  readonly act: (world: World, folder: string) => Promise<Observed>;
  /** Puts back what `arrange` did, after state and processes were looked at. */
  readonly restore?: (world: World, folder: string) => Promise<void>;
  /** Whose state has the failure on record, as it should; every other one's stays as it was. */
  readonly recordedBy?: readonly ("center" | "gateway")[];
  /** What it arranges changes the installation: nothing else is tried meanwhile. */
  readonly alone?: boolean;
  /** It fills a disk, and so needs one that is small. */
  readonly fillsDisk?: boolean;
}

export interface Observed {
  /** `exit status 2`, `HTTP 401`, `CONNACK 0x85`. */
  readonly outcome: string;
  /** Everything that is printed or answered, word for word. */
  readonly message: string;
  /** What the page calls `{name}`, for what differs from run to run. */
  readonly values?: { readonly [name: string]: string };
}

/** A command line that fails. */
export interface BadCommand {
  readonly id: string;
  readonly title: string;
  /** After `muster`; `{name}` stands for `values` of the world and of `values`. */
  readonly words: string;
  /** What else a reader must know, as a comment: `line 6 is …`. */
  readonly where?: string;
  /** Files of its folder, which is the working folder. */
  readonly files?: { readonly [name: string]: string | Uint8Array };
  /** Instead of the first operator's token; "" = none. */
  readonly token?: (world: World) => string;
  readonly arrange?: BadInput["arrange"];
  readonly alone?: boolean;
  readonly values?: (world: World, folder: string) => { readonly [name: string]: string };
  /** Values found in the message itself: each pattern's first group. */
  readonly captures?: { readonly [name: string]: RegExp };
}

/** The row of a command line. Arguments have no spaces inside, or are in single quotes. */
export function command(row: BadCommand): BadInput {
  const { id, title, words, where, files = {}, values, captures = {}, alone = false } = row;
  return {
    id,
    title,
    alone,
    given: block("sh", `muster ${words}`, where),
    arrange: async (world, folder) => {
      for (const [name, content] of Object.entries(files)) {
        await writeFile(join(folder, name), content);
      }
      await row.arrange?.(world, folder);
    },
    act: async (world, folder) => {
      const named = { ...world.values, ...values?.(world, folder) };
      const args = splitWords(words).map((word) => fillIn(word, named));
      const token = row.token === undefined ? world.token : row.token(world);
      const { status, stdout, stderr } = await world.muster(args, { folder, token });
      assert.equal(stdout, "", "what fails prints no data");
      const found = Object.entries(captures).map(([name, pattern]) => [
        name,
        pattern.exec(stderr)?.[1] ?? "",
      ]);
      return {
        outcome: `exit status ${status}`,
        message: withoutProgress(stderr),
        values: { ...values?.(world, folder), ...Object.fromEntries(found) },
      };
    },
  };
}

/** Progress is no part of what is said about a failure: it has rates and times. */
function withoutProgress(stderr: string): string {
  return stderr.replaceAll(/^(?:upload|import)\b.* \(\d+ %\).*\n/gm, "");
}

/** What is done as a fenced block, under a comment. */
export function block(language: string, text: string, comment?: string): string {
  const head = comment === undefined ? "" : `# ${comment}\n`;
  return `\`\`\`${language}\n${head}${text}\n\`\`\``;
}

function splitWords(text: string): string[] {
  return [...text.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
}

/** `{name}` by its value; a name that is not known stays as it is. */
export function fillIn(text: string, values: { readonly [name: string]: string }): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
