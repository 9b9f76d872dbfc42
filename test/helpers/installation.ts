// SPDX-License-Identifier: Apache-2.0
/**
 * A whole installation on loopback for one test: a center and its gateways, each its own process on
 * free ports, enrolled as an operator would, in a folder of its own; and an operator who uses it:
 *
 *     await using installation = await startInstallation(context);
 *     const { operator } = installation;
 *     const token = await operator.enrolDevice("dev-1");
 *     await operator.publishRelease({ version: "1.0.0" });
 *     await operator.startRollout("first", { release: "app@1.0.0", soakMs: 2_000n });
 *     const rollout = await operator.rolloutEnd("first");
 *
 * Processes are stopped, killed and started again through `roles` (cli/demo/local-installation.ts).
 */
import type { TestContext } from "node:test";
import { LocalInstallation } from "../../cli/demo/local-installation.ts";
import type { RoleProcess } from "../../cli/demo/role-process.ts";
import { openOperator, type Operator } from "./operator.ts";
import { testShell } from "./shell.ts";
import { tempDir, type TempDir } from "./temp-dir.ts";
import { until } from "./until.ts";

export interface InstallationOptions {
  /** All in the region `local`. Default `["gw-1"]`. */
  readonly gateways?: readonly string[];
  /** Of devices and gateways. Default `1s`. */
  readonly heartbeat?: string;
  /** Default `60s`. */
  readonly offerLifetime?: string;
  /** Default `30s`. */
  readonly leaseLifetime?: string;
  /** Further options of each gateway, as `{ "insecure-coap-port": 0 }`. */
  readonly gatewayFlags?: { readonly [name: string]: string | number };
}

export interface Installation extends AsyncDisposable {
  readonly folder: TempDir;
  readonly roles: LocalInstallation;
  readonly operator: Operator;
  /** Of the operator's first token. */
  readonly tokenFile: string;
  /** The certificate that every other one of this installation leads to. */
  readonly caFile: string;
  /** `http://127.0.0.1:PORT`. */
  readonly apiUrl: string;
  /** Of gRPC: `localhost:PORT`. */
  readonly linkAddress: string;
  /** `https://localhost:PORT`. */
  readonly enrolmentUrl: string;
  /** A gateway by its id; the only one there is without. */
  gateway(id?: string): RoleProcess;
}

const ONLINE_TIMEOUT_MS = 15_000;

/** Resolves when every gateway is online. Everything ends with the test at the latest. */
export async function startInstallation(
  context: Pick<TestContext, "signal">,
  options: InstallationOptions = {},
): Promise<Installation> {
  const { signal } = context;
  const { gateways = ["gw-1"], heartbeat = "1s", ...times } = options;
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir("installation"));
  const shell = testShell(signal);
  const roles = new LocalInstallation({ folder: folder.path, shell, heartbeat, ...times });
  stack.use(roles);
  await roles.startCenter();
  for (const id of gateways) await roles.startGateway(id);
  const { session, targetsKeyFile } = roles;
  const operator = openOperator({ session, keyFile: targetsKeyFile, folder: folder.path });
  const areOnline = async (): Promise<boolean> => {
    const listed = await session.client.listGateways({});
    // Each worker of one is listed by itself.
    return listed.gateways.filter(({ online }) => online).length >= gateways.length;
  };
  await until("every gateway is online", areOnline, { timeoutMs: ONLINE_TIMEOUT_MS, signal });
  const kept = stack.move();
  return {
    folder,
    roles,
    operator,
    tokenFile: folder.join("center", "operator", "token"),
    caFile: folder.join("center", "ca", "ca.pem"),
    apiUrl: session.connection.server,
    linkAddress: `localhost:${roles.center.port("linkPort")}`,
    enrolmentUrl: roles.enrolmentUrl,
    gateway: (id = gateways[0]) => {
      const role = roles.gateways.get(id ?? "");
      if (role === undefined) throw new Error(`there is no gateway ${id} in this installation`);
      return role;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
