// SPDX-License-Identifier: Apache-2.0
/** Specs of rollouts that a center refuses, each with one clear sentence. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RolloutSpecSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { startApi, type ApiFixture, type DeployClient } from "./api-fixture.ts";

export type WireSpec = MessageInitShape<typeof RolloutSpecSchema>;
export type RefusedSpec = readonly [name: string, spec: WireSpec, message: RegExp];

/** Inside of a `describe`: one center for all of its tests. */
export function sharedApi(): { readonly admin: DeployClient } {
  let api: ApiFixture | null = null;
  before(async () => {
    api = await startApi();
  });
  after(() => api?.[Symbol.asyncDispose]());
  return {
    get admin() {
      assert(api !== null, "the center runs while the tests do");
      return api.admin;
    },
  };
}

/** A test for each. */
export function testRefused(
  api: { readonly admin: DeployClient },
  refused: readonly RefusedSpec[],
): void {
  for (const [name, spec, message] of refused) {
    test(`${name} is refused`, () => assertRefused(api, spec, message));
  }
}

export async function assertRefused(
  { admin }: { readonly admin: DeployClient },
  spec: WireSpec,
  message: RegExp,
): Promise<void> {
  const applied = admin.applyRollout({ tenant: "default", name: "refused", spec });
  await assert.rejects(applied, message);
}
