// SPDX-License-Identifier: Apache-2.0
/** Who may join a rollout, on the wire. */
import type { JoinPolicy as Joiners } from "../../domain/membership.ts";
import { JoinPolicy } from "../../protocol/gen/muster/v1/deploy_pb.ts";

/** A policy that is not known reads as the default, as one that is not set. */
export function readJoinPolicy(wire: JoinPolicy): Joiners {
  if (wire === JoinPolicy.NEVER) return "never";
  return wire === JoinPolicy.NEXT_WAVE ? "next-wave" : "tail";
}

export function joinPolicyMessage(policy: Joiners): JoinPolicy {
  if (policy === "never") return JoinPolicy.NEVER;
  return policy === "next-wave" ? JoinPolicy.NEXT_WAVE : JoinPolicy.TAIL;
}
