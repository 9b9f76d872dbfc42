// SPDX-License-Identifier: Apache-2.0
/**
 * The cases on docs/reference/errors.md: how one is written there, and how the page is compared
 * with what really happened. Below the line `CASES` the page is made of the tables and of what the
 * processes said; it is read like any other page, and the test compares it word for word.
 *
 *     ### id: title
 *
 *     What is done.
 *
 *     Exit status 2:
 *
 *     ```text
 *     the whole message, with {name} for what differs from run to run
 *     ```
 */
import type { Area, BadInput, Observed } from "./bad-input.ts";

/** Where the page is, from the root. */
export const ERRORS_PAGE = "docs/reference/errors.md";

/** Above it people write. */
const CASES = "<!-- Below: test/e2e/bad-inputs, with UPDATE_ERRORS_PAGE=1. -->\n";

/** A case as the page has it. */
export function renderCase(
  input: Pick<BadInput, "id" | "title" | "given">,
  observed: Pick<Observed, "outcome" | "message">,
): string {
  const { outcome, message } = observed;
  const capital = outcome.charAt(0).toUpperCase() + outcome.slice(1);
  return (
    `### ${input.id}: ${input.title}\n\n${input.given}\n\n${capital}:\n\n` +
    `\`\`\`text\n${message.trimEnd()}\n\`\`\`\n`
  );
}

/** The page's sections by id, as they stand there. */
export function readCases(page: string): ReadonlyMap<string, string> {
  const [, cases = ""] = page.split(CASES);
  const sections = cases.split(/^(?=#{2,3} )/m).filter((section) => section.startsWith("### "));
  return new Map(
    sections.map((section) => [
      /^### ([a-z0-9-]+): /.exec(section)?.[1] ?? section.split("\n", 1)[0] ?? "",
      `${section.trimEnd()}\n`,
    ]),
  );
}

/** What differs from run to run replaced by its `{name}`, the longest first. */
export function withPlaceholders(
  text: string,
  values: { readonly [name: string]: string },
): string {
  return Object.entries(values)
    .filter(([, value]) => value !== "")
    .toSorted(([, left], [, right]) => right.length - left.length)
    .reduce((result, [name, value]) => {
      const escaped = value.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const whole = new RegExp(`(?<![\\w.-])${escaped}(?![\\w-])`, "g");
      return result.replaceAll(whole, `{${name}}`);
    }, text);
}

/** The page with its cases written anew; a case that is not in `sections` stays as it was. */
export function rewritePage(
  page: string,
  areas: readonly Area[],
  sections: ReadonlyMap<string, string>,
): string {
  const [head = ""] = page.split(CASES);
  const before = readCases(page);
  const body = areas.map(({ title, intro, cases }) => {
    const written = cases.map(({ id }) => sections.get(id) ?? before.get(id) ?? "");
    return `## ${title}\n\n${intro}\n\n${written.filter((text) => text !== "").join("\n")}`;
  });
  return `${head}${CASES}\n${body.join("\n")}`;
}
