// SPDX-License-Identifier: Apache-2.0
/** One answer to one idempotency key, over real HTTP calls. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { startApi, type ApiFixture } from "./api-fixture.ts";

describe("an idempotency key", () => {
  let api: ApiFixture;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const tokenRequest = (name: string, idempotencyKey: string) => ({
    name,
    tenant: "default",
    role: "viewer",
    mutation: { idempotencyKey, reason: "a test" },
  });

  test("makes a repeated mutation take place once, with the first answer", async () => {
    const first = await api.admin.createToken(tokenRequest("twice", "key-1"));
    const second = await api.admin.createToken(tokenRequest("twice", "key-1"));
    assert.deepEqual(second, first);
    const { tokens } = await api.admin.listTokens({});
    assert.equal(tokens.filter(({ name }) => name === "twice").length, 1);
  });

  for (const wire of ["grpc", "json"] as const) {
    test(`is known over ${wire} as well`, async () => {
      const client = api.adminOver(wire);
      const request = tokenRequest(`over-${wire}`, `key-over-${wire}`);
      const first = await client.createToken(request);
      assert.deepEqual(await client.createToken(request), first);
      assert.deepEqual(await api.admin.createToken(request), first);
    });
  }

  test("is refused for another request", async () => {
    await api.admin.createToken(tokenRequest("one", "key-2"));
    const error = await api.admin
      .createToken(tokenRequest("two", "key-2"))
      .catch((error: unknown) => ConnectError.from(error));
    assert(error instanceof ConnectError);
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.message, /"key-2" was used for another request already/);
    const [info] = error.findDetails(ErrorInfoSchema);
    assert.equal(info?.field, "mutation.idempotencyKey");
    const { tokens } = await api.admin.listTokens({});
    assert.equal(tokens.filter(({ name }) => name === "two").length, 0);
  });

  test("of another method, or another operator, is another key", async () => {
    const mutation = { idempotencyKey: "key-3", reason: "" };
    const devices = [{ id: "till-1" }];
    const first = await api.admin.registerDevices({ devices, mutation });
    const other = api.clientOf(await api.token("operator"));
    const second = await other.registerDevices({ devices, mutation });
    assert.notDeepEqual(second, first, "the other operator's call was carried out");
    const error = await api.admin
      .enrolDevices({ devices: ["till-1"], mutation })
      .catch((error: unknown) => ConnectError.from(error));
    assert(error instanceof ConnectError);
    assert.equal(error.code, Code.InvalidArgument);
  });

  test("does not keep a refusal: the corrected request may use it again", async () => {
    const refused = api.admin.createToken({ ...tokenRequest("late", "key-4"), role: "king" });
    await assert.rejects(refused, { code: Code.InvalidArgument });
    const { token } = await api.admin.createToken(tokenRequest("late", "key-4"));
    assert.notEqual(token, "");
  });

  for (const key of ["k".repeat(129), "with space", "é"]) {
    test(`${JSON.stringify(key.slice(0, 12))} is refused`, async () => {
      const refused = api.admin.createToken(tokenRequest("never", key));
      await assert.rejects(refused, { code: Code.InvalidArgument, rawMessage: /idempotency key/ });
    });
  }
});
