// SPDX-License-Identifier: Apache-2.0
/** Where a new token goes: to a file that only its owner may read, or to standard output. */
import { writeSecret } from "./files.ts";
import type { OutputFormat } from "./output/format.ts";
import { printObject } from "./output/print.ts";
import { note, type Shell } from "./shell.ts";

/** `subject` names it in data and in the note: `{ device: "till-0042" }`. */
export async function putToken(options: {
  shell: Shell;
  format: OutputFormat;
  subject: { readonly [name: string]: string };
  token: string;
  /** undefined = standard output. */
  out: string | undefined;
  /** How often it is good: "it works once". */
  worth: string;
}): Promise<void> {
  const { shell, format, subject, token, out, worth } = options;
  if (out !== undefined) {
    await writeSecret(out, `${token}\n`, "writing the token");
    note(shell, `The token is in ${out}; ${worth}.`);
    return;
  }
  await printObject({ shell, format, data: { ...subject, token }, human: () => [token] });
}
