// SPDX-License-Identifier: Apache-2.0
/** The audit log as the API lists it: newest first, a stretch, a subject, page by page. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ListAuditRequestSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { startApi, type ApiFixture } from "./api-fixture.ts";

const TENANT = "default";
const NAMES = ["look-1", "look-2", "look-3"];

describe("the audit log", () => {
  let api: ApiFixture;
  before(async () => {
    api = await startApi();
    const spec = { command: { run: ["df"] } };
    for (const name of NAMES) await api.admin.applyRollout({ tenant: TENANT, name, spec });
  });
  after(() => api[Symbol.asyncDispose]());

  async function list(
    request: MessageInitShape<typeof ListAuditRequestSchema>,
  ): Promise<{ names: string[]; token: string; sequences: bigint[] }> {
    const { records, nextPageToken } = await api.admin.listAudit({ tenant: TENANT, ...request });
    return {
      names: records.map(({ subject }) => subject.replace(`rollout/${TENANT}/`, "")),
      token: nextPageToken,
      sequences: records.map(({ sequence }) => sequence),
    };
  }

  test("is paged in either order, and ends", async () => {
    for (const newestFirst of [false, true]) {
      const wanted = newestFirst ? NAMES.toReversed() : NAMES;
      const query = { subject: "rollout/*", newestFirst };
      const first = await list({ ...query, pageSize: 2 });
      assert.deepEqual(first.names, wanted.slice(0, 2));
      const second = await list({ ...query, pageSize: 2, pageToken: first.token });
      assert.deepEqual([second.names, second.token], [wanted.slice(2), ""]);
      const whole = await list({ ...query, pageSize: 3 });
      assert.deepEqual([whole.names, whole.token], [wanted, ""], "no page behind the last one");
    }
  });

  test("is of a subject, an actor, a time and a stretch of sequences", async () => {
    assert.deepEqual((await list({ subject: "look-2" })).names, ["look-2"]);
    assert.deepEqual((await list({ subject: "look-?", actor: "first" })).names, NAMES);
    assert.deepEqual((await list({ subject: "look-?", actor: "nobody" })).names, []);
    const { sequences } = await list({ subject: "look-?" });
    const [first = 0n, , third = 0n] = sequences;
    const between = { subject: "look-?", afterSequence: first, beforeSequence: third };
    assert.deepEqual((await list(between)).names, ["look-2"]);
    assert.deepEqual((await list({ ...between, newestFirst: true })).names, ["look-2"]);
    const tomorrowMs = BigInt(Date.now() + 86_400_000);
    assert.deepEqual((await list({ sinceMs: tomorrowMs })).names, []);
    assert.deepEqual((await list({ subject: "look-?", sinceMs: 1n })).names, NAMES);
  });

  test("refuses a page token that is none, and a pattern without an end", async () => {
    await assert.rejects(list({ pageToken: "x" }), /"x" is no page token of the audit log/);
    await assert.rejects(list({ subject: "*".repeat(301) }), /longer than 300 characters/);
  });
});
