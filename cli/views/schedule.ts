// SPDX-License-Identifier: Apache-2.0
/** When a rollout may do something, as facts of its plan and of itself. */
import { formatInstant } from "../../domain/civil-time.ts";
import type { RolloutSpec } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Fact } from "./fact-lines.ts";

/** Empty where the rollout may do all of it at any time. */
export function scheduleFacts(spec: RolloutSpec | undefined): Fact[] {
  return [
    ["not before", instantText(spec?.notBeforeMs ?? 0n)],
    ["expires", instantText(spec?.expiresAtMs ?? 0n)],
  ];
}

function instantText(atMs: bigint): string {
  return atMs === 0n ? "" : formatInstant(Number(atMs));
}
