// SPDX-License-Identifier: Apache-2.0
/** What a person may get wrong in a YAML document. Every one is found before anything is sent. */
import { command, type Area, type BadInput } from "./bad-input.ts";
import { ROLLOUT, withLine } from "./sample-documents.ts";

/** `muster apply` of the sample rollout with one line replaced. */
function wrongLine(id: string, title: string, number: number, line: string): BadInput {
  return command({
    id,
    title,
    words: "apply -f rollout.yaml",
    where: `line ${number} is: ${line.trim()}`,
    files: { "rollout.yaml": withLine(ROLLOUT, number, line) },
  });
}

/** `muster apply` of another text. */
function wrongText(id: string, title: string, where: string, text: string): BadInput {
  const files = { "rollout.yaml": text };
  return command({ id, title, words: "apply -f rollout.yaml", where, files });
}

export const DOCUMENTS: Area = {
  title: "Documents",
  intro: `\`rollout.yaml\` is this, but for the line that each case names:

\`\`\`yaml
${ROLLOUT.trimEnd()}
\`\`\``,
  cases: [
    wrongLine("yaml-syntax", "A bracket is never closed", 8, '  waves: ["1", rest'),
    wrongText(
      "yaml-indentation",
      "A line is indented too far",
      "line 7 is indented by six",
      withLine(ROLLOUT, 7, "      selector: region = local"),
    ),
    wrongLine("yaml-duplicate", "A field is there twice", 9, "  release: shop@1.0.0"),
    wrongLine("field-unknown", "A field is misspelt", 7, "  selektor: region = local"),
    wrongLine("field-foreign", "A field is none of ours", 9, "  colour: red"),
    wrongLine("field-missing", "A field is missing", 6, "  # no release"),
    wrongLine("field-empty", "A field is empty", 7, "  selector:"),
    wrongLine("field-type", "A number is text", 10, "  gate: { minSample: many }"),
    wrongLine("field-list", "A list is one value", 8, "  waves: 10%"),
    wrongLine("name-wrong", "A name is none", 4, "  name: Shop 1.1"),
    wrongLine("api-version", "The version of the format is unknown", 1, "apiVersion: muster/v2"),
    wrongLine("kind-unknown", "The kind is misspelt", 2, "kind: Rolout"),
    wrongLine("kind-release", "The kind is one that is not applied", 2, "kind: Release"),
    wrongLine("version-short", "A version is not semantic", 6, "  release: shop@1.1"),
    wrongLine("release-bare", "A release has no version", 6, "  release: shop"),
    wrongLine("wave-share", "A wave is more than everybody", 8, '  waves: ["120%", rest]'),
    wrongLine("wave-word", "A wave is neither count nor percentage", 8, "  waves: [some, rest]"),
    wrongLine("wave-order", "What is left over is not last", 8, '  waves: [rest, "1"]'),
    wrongLine("percent-bare", "A percentage has no %", 10, "  gate: { minSuccess: 95 }"),
    wrongLine("duration-bare", "A duration has no unit", 9, "  soak: 30"),
    wrongLine("duration-zero", "A duration is nothing", 9, "  soak: 0s"),
    wrongLine("choice-unknown", "A choice is misspelt", 9, "  onStop: rolback"),
    wrongText(
      "document-second",
      "One of several documents is wrong",
      "a second document follows with minSuccess: 200%; the first is not applied either",
      `${ROLLOUT}---\n${ROLLOUT.replace("shop-1.1", "shop-1.1b").replace("95%", "200%")}`,
    ),
    wrongText("document-none", "The file holds nothing", "the file is empty", ""),
    wrongText(
      "document-list",
      "The document is a list",
      "the file is the line: - shop",
      "- shop\n",
    ),
    wrongText(
      "document-large",
      "The file is too large",
      "the file has 2 MiB",
      `${ROLLOUT}${"# filler\n".repeat(233_017)}`,
    ),
    command({
      id: "document-absent",
      title: "There is no such file",
      words: "apply -f nowhere.yaml",
    }),
  ],
};

export const SELECTORS: Area = {
  title: "Selectors",
  intro:
    "The line and column are those of the file; the message counts from the selector's own start.",
  cases: [
    wrongLine("selector-field", "A field is unknown", 7, "  selector: color = red"),
    wrongLine("selector-value", "A value is missing", 7, "  selector: region ="),
    wrongLine("selector-open", "A parenthesis is never closed", 7, "  selector: (region = local"),
    wrongLine("selector-operator", "An operator is none", 7, "  selector: label.ring is canary"),
    wrongLine(
      "selector-join",
      "Two conditions are not joined",
      7,
      "  selector: region = local site = berlin-3",
    ),
    wrongLine(
      "selector-quote",
      "A quote is never closed",
      7,
      `  selector: 'region = local and site = "berlin'`,
    ),
    wrongLine(
      "selector-character",
      "A character has no place",
      7,
      "  selector: region = local & x",
    ),
    wrongLine("selector-list", "A list is never closed", 7, "  selector: region in (local, eu"),
    command({
      id: "selector-option",
      title: "A selector on the command line",
      words: "get devices -l 'region = local adn id = x'",
    }),
  ],
};
