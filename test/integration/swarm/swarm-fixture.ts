// SPDX-License-Identifier: Apache-2.0
/** A center and two gateways in this process, an operator, and tokens for pretended devices. */
import { readFile } from "node:fs/promises";
import { enrol } from "../../../agent/trust/enrol.ts";
import { WorkingTime } from "../../../agent/trust/working-time.ts";
import { startCenter } from "../../../center/main.ts";
import type { RunningCenter } from "../../../center/main.ts";
import { createSession } from "../../../cli/client.ts";
import { startGateway } from "../../../gateway/wiring.ts";
import type { RunningGateway } from "../../../gateway/options.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import type { SwarmOptions } from "../../../simulator/swarm/swarm.ts";
import { openOperator, type Operator } from "../../helpers/operator.ts";
import { tempDir, type TempDir } from "../../helpers/temp-dir.ts";

const HEARTBEAT_MS = 1_000;
const LOOPBACK = "127.0.0.1";

export interface SwarmFixture extends AsyncDisposable {
  readonly folder: TempDir;
  readonly operator: Operator;
  readonly gateways: readonly RunningGateway[];
  readonly apiUrl: string;
  readonly operatorToken: string;
  /** Registers devices in the region `local`; a token for each. */
  tokens(ids: readonly string[]): Promise<readonly string[]>;
  /** What every swarm of this fixture is told. */
  readonly shared: Pick<
    SwarmOptions,
    "enrolmentUrl" | "heartbeatIntervalMs" | "clock" | "random" | "logger" | "signal" | "pace"
  >;
}

export function deviceIds(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `sim-${String(index + 1).padStart(6, "0")}`);
}

export async function startSwarmFixture(): Promise<SwarmFixture> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir("swarm"));
  const center = stack.use(await startFixtureCenter(folder));
  const apiUrl = `http://${LOOPBACK}:${center.apiPort}`;
  const operatorToken = (await readFile(center.tokenFile, "utf8")).trim();
  const { signal } = new AbortController();
  const session = createSession({
    shell: { random: systemRandom, interrupt: { signal, drain: () => {} } },
    connection: { server: apiUrl, token: operatorToken, caPem: null, tenant: "default" },
  });
  const operator = openOperator({
    session,
    keyFile: folder.join("center", "operator", "targets.key.pem"),
    folder: folder.path,
  });
  const gateways: RunningGateway[] = [];
  for (const id of ["gw-1", "gw-2"]) {
    gateways.push(stack.use(await startFixtureGateway({ id, folder, center, operator })));
  }
  const kept = stack.move();
  return {
    folder,
    operator,
    gateways,
    apiUrl,
    operatorToken,
    tokens: async (ids) => {
      const { client } = operator;
      await client.registerDevices({ devices: ids.map((id) => ({ id, region: "local" })) });
      return (await client.enrolDevices({ devices: [...ids] })).tokens;
    },
    shared: {
      enrolmentUrl: `https://localhost:${center.enrolmentPort}`,
      heartbeatIntervalMs: HEARTBEAT_MS,
      clock: systemClock,
      random: systemRandom,
      logger: SILENT_LOGGER,
      signal,
      pace: {
        installMs: [20, 200],
        checkMs: [20, 100],
        slowFactor: 5,
        rebootMs: [100, 400],
        flakyConnectedMs: [700, 2_000],
        leaveAfterMs: [0, 200],
      },
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function startFixtureCenter(folder: TempDir): Promise<RunningCenter> {
  return startCenter({
    dataDirectory: folder.join("center"),
    hosts: ["localhost"],
    host: LOOPBACK,
    apiPort: 0,
    linkPort: 0,
    enrolmentPort: 0,
    adminPort: 0,
    version: "0.1.0",
    logger: SILENT_LOGGER,
    heartbeatIntervalMs: HEARTBEAT_MS,
    offerLifetimeMs: 4_000,
    leaseLifetimeMs: 6_000,
  });
}

async function startFixtureGateway(options: {
  id: string;
  folder: TempDir;
  center: RunningCenter;
  operator: Operator;
}): Promise<RunningGateway> {
  const { id, folder, center, operator } = options;
  const hosts = ["localhost", LOOPBACK];
  const { token } = await operator.client.enrolGateway({ region: "local", gateway: id, hosts });
  await enrol({
    enrolmentUrl: `https://localhost:${center.enrolmentPort}`,
    token,
    directory: folder.join(id),
    workingTime: new WorkingTime({ clock: systemClock, floorMs: 0 }),
    signal: new AbortController().signal,
  });
  return startGateway({
    dataDirectory: folder.join(id),
    identityDirectory: folder.join(id, "identity"),
    gatewayId: id,
    region: "local",
    ip: LOOPBACK,
    centerAddress: `localhost:${center.linkPort}`,
    host: LOOPBACK,
    mqttsPort: 0,
    artifactsPort: 0,
    adminPort: 0,
    version: "0.1.0",
    logger: SILENT_LOGGER,
    heartbeatIntervalMs: HEARTBEAT_MS,
    drainTimeoutMs: 1_000,
  });
}
