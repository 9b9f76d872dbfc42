// SPDX-License-Identifier: Apache-2.0
/**
 * The facts of this device: what the operator states, and what the system says by itself (`os`,
 * `arch`, `kernel`), which an operator's fact of the same name replaces.
 */
import { arch, platform, release } from "node:os";
import { MusterError } from "../domain/errors.ts";
import { deviceHelloSchema } from "../protocol/device/status.ts";
import type { Inventory } from "./release-preparer.ts";

/** Throws `invalid_argument` when a fact is not one that the protocol can carry. */
export function readInventory(stated: Inventory): Inventory {
  const inventory = { os: platform(), arch: arch(), kernel: release(), ...stated };
  const hello = { protocol: 1, agent: "agent", codec: "json", inventory, slots: {} };
  const checked = deviceHelloSchema.safeParse(hello);
  if (checked.success) return inventory;
  const issue = checked.error.issues[0];
  throw new MusterError({
    code: "invalid_argument",
    message: `the inventory cannot be stated: ${issue?.message ?? "wrong shape"}`,
    detail: {
      field: issue?.path.join(".") ?? "inventory",
      hint: "names: a letter and up to 62 of A–Z a–z 0–9 . _ -; values: up to 256 characters",
    },
  });
}
