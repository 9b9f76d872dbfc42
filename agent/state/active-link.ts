// SPDX-License-Identifier: Apache-2.0
/** Reads `slots/<slot>/current`: what runs, whatever any record says. */
import { MusterError } from "../../domain/errors.ts";
import type { Slot } from "../../protocol/device/status.ts";
import type { Files } from "../files/files.ts";
import type { ActiveSide, DataLayout } from "../slots/slot-layout.ts";

/** Throws `corrupt` when the link leads anywhere but to one of the two sides. */
export async function readActiveLink(options: {
  files: Files;
  layout: DataLayout;
  slot: Slot;
}): Promise<ActiveSide> {
  const path = options.layout.current(options.slot);
  const target = await options.files.readLink(path);
  if (target === "a" || target === "b") return target;
  if (target === null && (await options.files.facts(path)) === null) return "none";
  throw new MusterError({
    code: "corrupt",
    message: 'cannot tell what runs: "current" is not a link to "a" or "b"',
    detail: {
      file: path,
      hint: "something other than the agent changed it; point it at the side that should run",
    },
  });
}
