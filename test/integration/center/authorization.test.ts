// SPDX-License-Identifier: Apache-2.0
/** Who may call what: one row for each method of DeployService, so that none can be forgotten. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { DeployService } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { startApi, type ApiFixture, type DeployClient } from "./api-fixture.ts";

type Method = keyof typeof DeployService.method;
type Role = "viewer" | "operator" | "admin";

/** Least role. `installation`: it belongs to no tenant, and takes a token of every tenant. */
const RIGHTS: { readonly [method in Method]: readonly [Role, "tenant" | "own" | "installation"] } =
  {
    applyRollout: ["operator", "tenant"],
    planRollout: ["operator", "tenant"],
    approveRollout: ["operator", "tenant"],
    comparePlans: ["viewer", "tenant"],
    startRollout: ["operator", "tenant"],
    pauseRollout: ["operator", "tenant"],
    resumeRollout: ["operator", "tenant"],
    stopRollout: ["operator", "tenant"],
    rollbackRollout: ["operator", "tenant"],
    getRollout: ["viewer", "tenant"],
    listRollouts: ["viewer", "tenant"],
    watchRollout: ["viewer", "tenant"],
    rehearseRollout: ["viewer", "tenant"],
    listAttempts: ["viewer", "tenant"],
    uploadArtifact: ["operator", "own"],
    publishRelease: ["operator", "tenant"],
    listReleases: ["viewer", "tenant"],
    getTrust: ["viewer", "own"],
    registerDevices: ["operator", "tenant"],
    enrolDevices: ["operator", "tenant"],
    enrolGateway: ["admin", "installation"],
    getDevice: ["viewer", "tenant"],
    listDevices: ["viewer", "tenant"],
    retireDevice: ["operator", "tenant"],
    explainDevice: ["viewer", "tenant"],
    listGateways: ["viewer", "own"],
    listAudit: ["viewer", "tenant"],
    createToken: ["admin", "installation"],
    listTokens: ["admin", "installation"],
    revokeToken: ["admin", "installation"],
    getStatus: ["viewer", "own"],
    getStorage: ["viewer", "own"],
  };
const METHODS = Object.keys(RIGHTS) as Method[];

/** The code with which a call is refused; null when it was let in and answered. */
async function codeOf(client: DeployClient, method: Method, tenant = ""): Promise<Code | null> {
  const signal = AbortSignal.timeout(10_000);
  const { methodKind } = DeployService.method[method];
  const request = { tenant } as never;
  try {
    if (methodKind === "server_streaming") {
      for await (const _ of client.watchRollout(request, { signal })) break;
    } else if (methodKind === "client_streaming") {
      await client.uploadArtifact((async function* () {})(), { signal });
    } else {
      const call = client[method] as (input: never, options: object) => Promise<unknown>;
      await call(request, { signal });
    }
    return null;
  } catch (error) {
    return ConnectError.from(error).code;
  }
}

describe("DeployService", () => {
  let api: ApiFixture;
  const clients = new Map<string, DeployClient>();
  before(async () => {
    api = await startApi();
    for (const role of ["viewer", "operator", "admin"] as const) {
      clients.set(role, api.clientOf(await api.token(role)));
    }
  });
  after(() => api[Symbol.asyncDispose]());

  const as = (role: string): DeployClient => {
    const client = clients.get(role);
    assert(client !== undefined);
    return client;
  };
  const isLetIn = (code: Code | null): boolean =>
    code !== Code.Unauthenticated && code !== Code.PermissionDenied;

  test("has a row here for every method", () => {
    const named = DeployService.methods.map(({ localName }) => localName);
    assert.deepEqual(METHODS.toSorted(), named.toSorted());
  });

  for (const method of METHODS) {
    const [role, scope] = RIGHTS[method];

    test(`${method} refuses a call without a token, and one with a foreign token`, async () => {
      assert.equal(await codeOf(api.clientOf(null), method), Code.Unauthenticated);
      assert.equal(
        await codeOf(api.clientOf("eyJhbGciOiJub25lIn0.e30."), method),
        Code.Unauthenticated,
      );
    });

    if (role !== "viewer") {
      test(`${method} is not for viewers`, async () => {
        assert.equal(await codeOf(as("viewer"), method), Code.PermissionDenied);
      });
    }

    if (role === "admin") {
      test(`${method} is not for operators, nor for an admin of one tenant`, async () => {
        assert.equal(await codeOf(as("operator"), method), Code.PermissionDenied);
        assert.equal(await codeOf(as("admin"), method), Code.PermissionDenied);
        assert(isLetIn(await codeOf(api.admin, method)));
      });
    } else {
      test(`${method} lets in ${role === "viewer" ? "a viewer" : "an operator"}`, async () => {
        assert(isLetIn(await codeOf(as(role), method)));
      });
    }

    if (scope === "tenant") {
      test(`${method} in another tenant is refused, also to an admin of one`, async () => {
        for (const other of ["viewer", "operator", "admin"]) {
          assert.equal(await codeOf(as(other), method, "other"), Code.PermissionDenied);
        }
      });
    }
  }

  test("refuses a token that was revoked, from then on", async () => {
    const what = { name: "short", tenant: "default", role: "viewer" };
    const { token } = await api.admin.createToken(what);
    const client = api.clientOf(token);
    assert.equal(await codeOf(client, "getStatus"), null);
    const { tokens } = await api.admin.listTokens({});
    const id = tokens.find(({ name }) => name === "short")?.id;
    await api.admin.revokeToken({ id: id ?? "" });
    assert.equal(await codeOf(client, "getStatus"), Code.Unauthenticated);
  });
});
