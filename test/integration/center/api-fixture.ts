// SPDX-License-Identifier: Apache-2.0
/** A center in this process, on free loopback ports and a folder of its own, and its clients. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { startCenter } from "../../../center/wiring.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { DeployService } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";

export type DeployClient = Client<typeof DeployService>;

export interface ApiFixture extends AsyncDisposable {
  /** With the token of the first start: an admin of every tenant. */
  readonly admin: DeployClient;
  /** The same over another wire: gRPC over TLS on the port for machines, or JSON. */
  adminOver(wire: "grpc" | "json"): DeployClient;
  /** null: without any token. */
  clientOf(token: string | null): DeployClient;
  /** Makes a token of that role; answers its text. */
  token(role: "viewer" | "operator" | "admin", tenant?: string): Promise<string>;
}

/** `dataDirectory`: of a center that ran before; else one of its own, gone afterwards. */
export async function startApi(
  options: { readonly dataDirectory?: string; readonly maxStoreBytes?: number } = {},
): Promise<ApiFixture> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir("api"));
  const center = stack.use(
    await startCenter({
      dataDirectory: folder.join("center"),
      ...options,
      hosts: ["localhost"],
      host: "127.0.0.1",
      apiPort: 0,
      linkPort: 0,
      enrolmentPort: 0,
      adminPort: 0,
      version: "0.0.0",
      logger: SILENT_LOGGER,
    }),
  );
  const baseUrl = `http://127.0.0.1:${center.apiPort}`;
  const clientOf = (token: string | null): DeployClient => {
    const interceptors = [signWith(token)];
    const transport = createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors });
    return createClient(DeployService, transport);
  };
  const adminToken = (await readFile(center.tokenFile, "utf8")).trim();
  const admin = clientOf(adminToken);
  const kept = stack.move();
  return {
    admin,
    clientOf,
    adminOver: (wire) => {
      const interceptors = [signWith(adminToken)];
      const common = { httpVersion: "1.1", useBinaryFormat: false } as const;
      const transport =
        wire === "json"
          ? createConnectTransport({ ...common, baseUrl, interceptors })
          : createGrpcTransport({
              baseUrl: `https://localhost:${center.linkPort}`,
              nodeOptions: { rejectUnauthorized: false },
              interceptors,
            });
      return createClient(DeployService, transport);
    },
    token: async (role, tenant = "default") => {
      const { token } = await admin.createToken({ name: `${role}-${tenant}`, tenant, role });
      assert(token !== "", "a token that is made is given out");
      return token;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function signWith(token: string | null): Interceptor {
  return (next) => (request) => {
    if (token !== null) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
