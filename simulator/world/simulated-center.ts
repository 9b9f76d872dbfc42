// SPDX-License-Identifier: Apache-2.0
/**
 * The center of a simulated world: everything behind its listeners, on the direct engines in
 * memory, which outlive a crash, as a disk does. Keys and trust metadata are made by the real code
 * in a folder before time begins; from then on nothing touches a real disk.
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
import { OfferRoots, type RootOf } from "../../center/identity/offer-roots.ts";
import { openCenterIdentity, type CenterIdentity } from "../../center/identity-wiring.ts";
import type { CenterOptions } from "../../center/options.ts";
import { assert } from "../../domain/assert.ts";
import { openDirectEventLog } from "../../engines/embedded/event-log.ts";
import { openFilesystemArtifactStore } from "../../engines/filesystem/artifact-store.ts";
import { openDirectSqliteStore } from "../../engines/sqlite/direct-store.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { EventLog } from "../../ports/event-log.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import type { Store } from "../../ports/store.ts";
import { DeployService } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { GatewayLink } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import { memoryArtifacts } from "./memory-artifacts.ts";
import { TENANT, type SimulatedReleases } from "./simulated-releases.ts";
import type { Life } from "./life.ts";
import { mortal } from "./mortal.ts";

/** Of gateways and devices. */
export const HEARTBEAT_MS = 60_000;
/** The rollout loop's rest: at its 200 ms most of a simulated day would be rest. */
const LOOP_TICK_MS = 2_000;
/** How long an offer may be accepted. */
export const OFFER_LIFETIME_MS = 60_000;
const SILENCE_CHECK_MS = 10_000;

/** What outlives a center: its disk, and the keys that are on it. */
export interface CenterGround extends AsyncDisposable {
  readonly store: Store;
  readonly log: EventLog;
  readonly artifacts: ArtifactStore;
  readonly identity: CenterIdentity;
  readonly options: CenterOptions;
}

export interface SimulatedCenter {
  readonly life: Life;
  readonly core: CenterCore;
  readonly api: Client<typeof DeployService>;
  readonly link: ServiceImpl<typeof GatewayLink>;
}

/** Before time begins. `folder`: for keys and trust metadata. `devices`: ids to register. */
export async function prepareCenter(given: {
  folder: string;
  /** For what is stored; true time. */
  clock: Clock;
  seed: string;
  devices: readonly { readonly id: string; readonly region: string }[];
  releases: SimulatedReleases;
  logger: Logger;
}): Promise<CenterGround> {
  const { folder, clock, seed, logger } = given;
  const { signal } = new AbortController();
  const random = new SeededRandom({ seed, name: "keys of the center" });
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
    offerLifetimeMs: OFFER_LIFETIME_MS,
    version: "simulated",
    logger,
  };
  const identity = await openCenterIdentity({
    ...options,
    clock,
    random,
    signal,
    operatorDirectory,
    artifacts: trustBlobs,
  });
  await register(store, given, signal);
  return {
    store,
    log,
    artifacts: memoryArtifacts(given.releases.blobs),
    identity,
    options,
    [Symbol.asyncDispose]: async () => {
      identity.certificate[Symbol.dispose]();
      await log.close();
      await store.close();
    },
  };
}

const STORE_CHANGES: ReadonlySet<string> = new Set(["commit"]);
const LOG_CHANGES: ReadonlySet<string> = new Set(["append", "trim"]);

/** One life of a center: runs from now on, to its end. */
export async function startSimulatedCenter(given: {
  life: Life;
  ground: CenterGround;
  random: Random;
  onFailure: (error: unknown) => void;
}): Promise<SimulatedCenter> {
  const { life, ground, random, onFailure } = given;
  const { signal } = new AbortController();
  const { options, identity, artifacts } = ground;
  const { logger } = options;
  const store = mortal(ground.store, { life, port: "store", changes: STORE_CHANGES });
  const log = mortal(ground.log, { life, port: "log", changes: LOG_CHANGES });
  const common = { clock: life, random, logger, signal };
  const roots = new OfferRoots();
  const rootOf: RootOf = async (columns) => roots.rootOf(columns);
  const base: CenterBase = { ...common, options, store, log, identity, artifacts, rootOf };
  const core = await openCore(base);
  const tokens = new OperatorTokens({ store, clock: life, random, key: random.bytes(32) });
  core.loop.run(signal).catch(onFailure);
  void watchSilence(core, life, signal);
  return {
    life,
    core,
    api: apiClient(deployMethods(base, core, tokens, { enrolment: 0, link: 0 })),
    link: linkMethods(base, core),
  };
}

/** What enrolment and publishing would have written. */
async function register(
  store: Store,
  given: Parameters<typeof prepareCenter>[0],
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
          registeredAtMs: given.clock.wallMs(),
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

async function watchSilence(core: CenterCore, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    core.registry.checkSilence();
    await delay(clock, SILENCE_CHECK_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}
