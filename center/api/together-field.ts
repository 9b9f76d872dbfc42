// SPDX-License-Identifier: Apache-2.0
/** The label by which devices move together. */
import { MusterError } from "../../domain/errors.ts";
import { JoinPolicy, type RolloutSpec } from "../../protocol/gen/muster/v1/deploy_pb.ts";

const LABEL = /^[A-Za-z0-9._-]{1,63}$/;

/** "" = each is on its own. A group is planned whole, so nobody can come to it later. */
export function readTogether({ together, joiners }: RolloutSpec): string {
  if (together === "") return "";
  if (!LABEL.test(together)) {
    throw refused(
      `${JSON.stringify(together.slice(0, 80))} is no name of a label`,
      "name a label, as in: together: cell",
    );
  }
  if (joiners !== JoinPolicy.NEVER) {
    throw refused(
      "devices that move together are planned together: nobody can join them later",
      "write joiners: never",
    );
  }
  return together;
}

function refused(message: string, hint: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message,
    detail: { field: "spec.together", hint },
  });
}
