// SPDX-License-Identifier: Apache-2.0
/** What the bench is told on its command line; its rollout, which is the same at every size. */
import { parseArgs } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RolloutSpecSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";

export interface BenchOptions {
  /** Numbers of devices, one run each, in this order. */
  readonly sizes: readonly number[];
  /** Kill the center once, at a random moment of each run, and start it again. */
  readonly kill: boolean;
  /** The center runs from source, and nothing is built. */
  readonly fromSource: boolean;
  /** Write a CPU profile of the center into this folder; "" = none. */
  readonly profile: string;
}

const FULL = [10_000, 100_000, 1_000_000];
const QUICK = [10_000, 100_000];

export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      devices: { type: "string", multiple: true, default: [] },
      kill: { type: "boolean", default: false },
      "from-source": { type: "boolean", default: false },
      profile: { type: "string", default: "" },
    },
  });
  const asked = values.devices.map(Number);
  const sizes = asked.length > 0 ? asked : values.quick ? QUICK : FULL;
  const { kill, profile } = values;
  return { sizes, kill, fromSource: values["from-source"], profile };
}

export const TENANT = "default";
/** At most so many devices are offered and undecided at any moment. */
export const MAX_IN_FLIGHT = 50_000;
/** As many as one gateway is built for. */
export const DEVICES_PER_GATEWAY = 20_000;
/** What every device ran before, and what the rollout brings; SHA-256 in hex. */
export const DIGEST_BEFORE: string = "1".repeat(64);
export const DIGEST_AFTER: string = "2".repeat(64);

/** Waves by hash: one, ten, all; nothing fails; the shortest soak there is. */
export const ROLLOUT_SPEC: MessageInitShape<typeof RolloutSpecSchema> = {
  release: "app@2",
  selector: "",
  waves: [{ kind: { case: "percent", value: 1 } }, { kind: { case: "percent", value: 10 } }],
  maxInFlight: { kind: { case: "count", value: MAX_IN_FLIGHT } },
  blastRadius: { kind: { case: "percent", value: 100 } },
  soakMs: 1n,
};
