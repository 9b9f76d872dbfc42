// SPDX-License-Identifier: Apache-2.0
/**
 * The center of a simulated world: everything behind its listeners, on the direct engines in
 * memory and virtual time. Keys and trust metadata are made by the real code in a folder before
 * time begins; from then on nothing touches a disk.
 */
import { join } from "node:path";
import {
  createClient,
  createRouterTransport,
  type Client,
  type ServiceImpl,
} from "@connectrpc/connect";
import { OPERATOR } from "../../center/api/call.ts";
import { deployMethods, linkMethods } from "../../center/api/open-api.ts";
import { OperatorTokens } from "../../center/api/operator-tokens.ts";
import type { CenterBase } from "../../center/base.ts";
import { openCore, type CenterCore } from "../../center/core.ts";
import { deviceJson } from "../../center/devices/device-record.ts";
import { openCenterIdentity } from "../../center/identity-wiring.ts";
import { assert } from "../../domain/assert.ts";
import { openDirectEventLog } from "../../engines/embedded/event-log.ts";
import { openFilesystemArtifactStore } from "../../engines/filesystem/artifact-store.ts";
import { openDirectSqliteStore } from "../../engines/sqlite/direct-store.ts";
import { delay } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Store } from "../../ports/store.ts";
import { DeployService } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { GatewayLink } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import { memoryArtifacts } from "./memory-artifacts.ts";
import { TENANT, type SimulatedReleases } from "./simulated-releases.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Of gateways and devices. */
export const HEARTBEAT_MS = 60_000;
/** The rollout loop's rest: at its 200 ms most of a simulated day would be rest. */
const LOOP_TICK_MS = 2_000;
const SILENCE_CHECK_MS = 10_000;

export interface SimulatedCenter extends AsyncDisposable {
  readonly core: CenterCore;
  readonly store: Store;
  readonly api: Client<typeof DeployService>;
  readonly link: ServiceImpl<typeof GatewayLink>;
  readonly offerKey: Buffer;
  /** Rejects when the center cannot go on. */
  readonly failed: Promise<never>;
}

/** `folder`: for keys and trust metadata. `devices`: ids to register. */
export async function startSimulatedCenter(given: {
  folder: string;
  time: VirtualTime;
  seed: string;
  devices: readonly { readonly id: string; readonly region: string }[];
  releases: SimulatedReleases;
  logger: Logger;
}): Promise<SimulatedCenter> {
  const { folder, time: clock, seed, logger } = given;
  const stop = new AbortController();
  const { signal } = stop;
  const random = new SeededRandom({ seed, name: "center" });
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  const log = openDirectEventLog({ path: ":memory:" });
  const trustBlobs = await openFilesystemArtifactStore({
    path: join(folder, "artifacts"),
    random,
    signal,
  });
  const operatorDirectory = join(folder, "operator");
  const options = {
    dataDirectory: folder,
    operatorDirectory,
    hosts: ["center"],
    heartbeatIntervalMs: HEARTBEAT_MS,
    loopTickMs: LOOP_TICK_MS,
    version: "simulated",
    logger,
  };
  const common = { clock, random, logger, signal };
  const identity = await openCenterIdentity({
    ...options,
    ...common,
    operatorDirectory,
    artifacts: trustBlobs,
  });
  await register(store, given, signal);
  const artifacts = memoryArtifacts(given.releases.blobs);
  const base: CenterBase = { ...common, options, store, log, identity, artifacts };
  const core = await openCore(base);
  const tokens = new OperatorTokens({ store, clock, random, key: random.bytes(32) });
  const loop = core.loop.run(signal);
  const silence = watchSilence(core, clock, signal);
  const failed = new Promise<never>((_, reject) => {
    loop.catch(reject);
  });
  failed.catch(() => undefined); // whoever holds the center looks at it
  return {
    core,
    store,
    api: apiClient(deployMethods(base, core, tokens, { enrolment: 0, link: 0 })),
    link: linkMethods(base, core),
    offerKey: identity.offerSigner.publicKeyRaw,
    failed,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      core.inbox.wake();
      await Promise.allSettled([loop, silence]);
      identity.certificate[Symbol.dispose]();
      await log.close();
      await store.close();
    },
  };
}

/** What enrolment and publishing would have written. */
async function register(
  store: Store,
  given: Parameters<typeof startSimulatedCenter>[0],
  signal: AbortSignal,
): Promise<void> {
  const result = await store.commit(
    {
      documents: given.releases.documents,
      devices: given.devices.map(({ id, region }) => ({
        ordinal: 0,
        tenant: TENANT,
        id,
        expectedRevision: 0,
        value: deviceJson({
          region,
          site: "",
          labels: {},
          serviceLevel: "",
          critical: false,
          retired: false,
          inventory: {},
          agent: "",
          registeredAtMs: given.time.wallMs(),
        }),
      })),
    },
    { signal },
  );
  assert(result.ok, "a new store takes its first devices");
}

/** The API as an operator has it, but for the token that a listener reads. */
function apiClient(methods: ServiceImpl<typeof DeployService>): Client<typeof DeployService> {
  const operator = {
    tokenId: "simulation",
    name: "simulation",
    tenant: "*",
    role: "admin",
  } as const;
  const transport = createRouterTransport((router) => void router.service(DeployService, methods), {
    router: {
      interceptors: [
        (next) => (request) => {
          request.contextValues.set(OPERATOR, operator);
          return next(request);
        },
      ],
    },
  });
  return createClient(DeployService, transport);
}

async function watchSilence(
  core: CenterCore,
  clock: VirtualTime,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    core.registry.checkSilence();
    await delay(clock, SILENCE_CHECK_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}
