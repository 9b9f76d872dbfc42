// SPDX-License-Identifier: Apache-2.0
/**
 * A whole installation on loopback for one test: a center and its gateways, enrolled as an operator
 * would, on free ports and in a folder of its own:
 *
 *     await using installation = await startInstallation();
 *     const token = await installation.operator.enrolDevice("dev-1");
 *     await installation.operator.publishRelease({ version: "1.0.0" });
 *     await installation.operator.startRollout("first", { release: "app@1.0.0", soakMs: 2_000n });
 *
 * Each role is its own process, so a test may stop or kill it; logs are in `folder`.
 */
import { writeFile } from "node:fs/promises";
import { openOperator, type Operator } from "./operator.ts";
import { startRoleProcess, type RoleProcess } from "./role-process.ts";
import { tempDir, type TempDir } from "./temp-dir.ts";
import { waitFor } from "./wait-for.ts";

export interface InstallationOptions {
  /** Shows in the folder's name. */
  readonly label?: string;
  /** Default one, `gw-1` in the region `local`. */
  readonly gateways?: readonly { readonly id: string; readonly region: string }[];
  /** Of devices and gateways, ms. Default 1,000. */
  readonly heartbeatIntervalMs?: number;
  /** More words for `muster center`. */
  readonly centerWords?: readonly string[];
  /** More words for each `muster gateway`. */
  readonly gatewayWords?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

export interface InstalledGateway {
  readonly id: string;
  readonly region: string;
  readonly dataDirectory: string;
  /** Its ports are `mqttsPort`, `artifactsPort` and `adminPort`. */
  readonly role: RoleProcess;
}

export interface Installation extends AsyncDisposable {
  readonly folder: TempDir;
  /** Its ports are `apiPort`, `linkPort`, `enrolmentPort` and `adminPort`. */
  readonly center: RoleProcess;
  readonly centerDirectory: string;
  readonly gateways: readonly InstalledGateway[];
  readonly operator: Operator;
  /** Of the operator's first token and of the key that signs releases. */
  readonly tokenFile: string;
  readonly signingKeyFile: string;
  /** The certificate that every other one of this installation leads to. */
  readonly caFile: string;
  readonly apiUrl: string;
  /** `localhost:PORT`. */
  readonly linkAddress: string;
  readonly enrolmentUrl: string;
}

const ON_LOOPBACK = ["--host", "127.0.0.1"];

/** Resolves when every gateway is online. */
export async function startInstallation(options: InstallationOptions = {}): Promise<Installation> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir(options.label ?? "installation"));
  const centerDirectory = folder.join("center");
  const center = stack.use(await startCenterProcess(folder, centerDirectory, options));
  const tokenFile = folder.join("center", "operator", "token");
  const apiUrl = `http://127.0.0.1:${center.ports["apiPort"]}`;
  const operator = await openOperator({ server: apiUrl, tokenFile, folder: folder.path });
  const linkAddress = `localhost:${center.ports["linkPort"]}`;
  const enrolmentUrl = `https://localhost:${center.ports["enrolmentPort"]}`;
  const gateways: InstalledGateway[] = [];
  for (const place of options.gateways ?? [{ id: "gw-1", region: "local" }]) {
    const words = ["--center", linkAddress, "--enrolment-url", enrolmentUrl];
    const gateway = await startGatewayProcess({ ...options, folder, operator, place, words });
    stack.use(gateway.role);
    gateways.push(gateway);
  }
  await waitFor("every gateway is online", async () => {
    const listed = await operator.client.listGateways({});
    return listed.gateways.filter(({ online }) => online).length === gateways.length;
  });
  const kept = stack.move();
  return {
    folder,
    center,
    centerDirectory,
    gateways,
    operator,
    tokenFile,
    signingKeyFile: folder.join("center", "operator", "targets.key.pem"),
    caFile: folder.join("center", "ca", "ca.pem"),
    apiUrl,
    linkAddress,
    enrolmentUrl,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function startCenterProcess(
  folder: TempDir,
  dataDirectory: string,
  options: InstallationOptions,
): Promise<RoleProcess> {
  const { centerWords = [], environment } = options;
  const heartbeat = heartbeatWords(options);
  return startRoleProcess({
    name: "center",
    folder: folder.path,
    words: ["center", "--data", dataDirectory, ...ON_LOOPBACK, ...heartbeat, ...centerWords],
    ports: {
      apiPort: "--api-port",
      linkPort: "--link-port",
      enrolmentPort: "--enrolment-port",
      adminPort: "--admin-port",
    },
    ...(environment === undefined ? {} : { environment }),
  });
}

async function startGatewayProcess(
  options: InstallationOptions & {
    folder: TempDir;
    operator: Operator;
    place: { readonly id: string; readonly region: string };
    words: readonly string[];
  },
): Promise<InstalledGateway> {
  const { folder, operator, place, words, environment } = options;
  const { id, region } = place;
  const hosts = ["localhost", "127.0.0.1"];
  const { token } = await operator.client.enrolGateway({ region, gateway: id, hosts });
  const tokenFile = folder.join(`${id}.enrol-token`);
  await writeFile(tokenFile, token, { mode: 0o600 });
  const dataDirectory = folder.join(id);
  const heartbeat = heartbeatWords(options);
  const more = ["--enrol-token-file", tokenFile, ...(options.gatewayWords ?? [])];
  const role = await startRoleProcess({
    name: id,
    folder: folder.path,
    words: ["gateway", "--data", dataDirectory, ...ON_LOOPBACK, ...heartbeat, ...words, ...more],
    ports: {
      mqttsPort: "--mqtts-port",
      artifactsPort: "--artifacts-port",
      adminPort: "--admin-port",
    },
    ...(environment === undefined ? {} : { environment }),
  });
  return { id, region, dataDirectory, role };
}

function heartbeatWords({ heartbeatIntervalMs = 1_000 }: InstallationOptions): string[] {
  return ["--heartbeat", `${heartbeatIntervalMs}ms`];
}
