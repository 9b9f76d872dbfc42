// SPDX-License-Identifier: Apache-2.0
/**
 * Puts a center together: the only file of this role that names engines. Order matters: the Store
 * first (it holds the lock of the data folder), listeners last (nobody is answered by half a
 * center).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MusterError } from "../domain/errors.ts";
import { openEmbeddedEventLog } from "../engines/embedded/event-log.ts";
import { openKafkaEventLog } from "../engines/kafka/event-log.ts";
import { openFilesystemArtifactStore } from "../engines/filesystem/artifact-store.ts";
import { openPostgresStore } from "../engines/postgres/postgres-store.ts";
import { openSqliteStore } from "../engines/sqlite/worker-store.ts";
import { delay, type Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Random } from "../ports/random.ts";
import { startAdminServer } from "../runtime/admin-server.ts";
import { fileFailure } from "../runtime/file-failure.ts";
import { systemClock } from "../runtime/system-clock.ts";
import { systemRandom } from "../runtime/system-random.ts";
import { openApi } from "./api/open-api.ts";
import { OperatorTokens } from "./api/operator-tokens.ts";
import type { CenterBase } from "./base.ts";
import { openCore, type CenterCore } from "./core.ts";
import { openCenterIdentity } from "./identity-wiring.ts";
import { startOfferRootThread } from "./identity/offer-root-thread.ts";
import type { RootOf } from "./identity/offer-roots.ts";
import { startEstServer } from "./identity/est-server.ts";
import { runTrustRenewal } from "./identity/trust-renewal.ts";
import { directoryOf } from "./link/gateway-directory.ts";
import type { GatewayRegistry } from "./link/gateway-registry.ts";
import type { CenterOptions, RunningCenter } from "./options.ts";
import { ensureFirstToken, loadTokenKey } from "./secrets.ts";
import { DEFAULT_RETENTION, runAttemptPruner } from "./tasks/attempt-pruner.ts";
import { runAvailabilityRecorder } from "./tasks/availability-recorder.ts";
import { runDiskSampler } from "./tasks/disk-sampler.ts";
import { JoinerWatch } from "./tasks/joiner-watch.ts";
import { LeaverWatch } from "./tasks/leaver-watch.ts";
import { runRecordPruner } from "./tasks/record-pruner.ts";

type OpenStore = Awaited<ReturnType<typeof openSqliteStore>>;

const SILENCE_CHECK_MS = 1_000;

/** Resolves when every listener is open. Throws MusterError: ports taken, folder in use, damage. */
export async function startCenter(options: CenterOptions): Promise<RunningCenter> {
  const stop = new AbortController();
  await using stack = new AsyncDisposableStack();
  const operatorDirectory = options.operatorDirectory ?? join(options.dataDirectory, "operator");
  const base = await openBase(options, operatorDirectory, stack, stop.signal);
  const core = await openCore(base);
  const { store, clock, random } = base;
  const key = await loadTokenKey(join(options.dataDirectory, "secrets"), random);
  const tokens = new OperatorTokens({ store, clock, random, key });
  const first = { directory: operatorDirectory, tokens, store };
  const tokenFile = await ensureFirstToken(first, stop.signal);
  const failed = runTasks(base, core, stop, stack);
  const est = stack.use(await openEnrolment(base, core));
  const ports = { enrolment: est.port, link: 0 };
  const api = stack.use(await openApi(base, core, tokens, ports));
  ports.link = api.linkPort;
  const admin = stack.use(
    await startAdminServer({
      host: options.adminHost ?? "127.0.0.1",
      port: options.adminPort ?? 9_464,
      registry: core.metrics.registry,
      readiness: () => (stop.signal.aborted ? ["the center is stopping"] : []),
    }),
  );
  const kept = stack.move();
  return {
    apiPort: api.apiPort,
    linkPort: api.linkPort,
    enrolmentPort: est.port,
    adminPort: admin.port,
    tokenFile,
    failed,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function openBase(
  options: CenterOptions,
  operatorDirectory: string,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<CenterBase> {
  const { dataDirectory, logger } = options;
  const clock: Clock = options.clock ?? systemClock;
  const random: Random = options.random ?? systemRandom;
  await makeDataFolder(dataDirectory);
  const at = (name: string): string => join(dataDirectory, name);
  const store = await openStore(options, at("store.db"), { clock, logger, signal });
  stack.defer(() => store.close());
  const log = await openEventLog(options, at("events.db"), { clock, logger, signal });
  stack.defer(() => log.close());
  const artifacts = await openFilesystemArtifactStore({ path: at("artifacts"), random, signal });
  const common = { clock, random, logger, signal, artifacts };
  const roots = await startOfferRootThread(signal);
  stack.defer(() => roots.close());
  const rootOf: RootOf = (columns) => roots.call("rootOf", columns, { signal });
  const identity = await openCenterIdentity({ ...options, ...common, operatorDirectory });
  stack.use(identity.certificate);
  return { ...common, options, store, log, identity, rootOf };
}

/** A URL picks the engine; without one it is the file `path`. */
function openStore(
  { storeUrl, maxStoreBytes }: CenterOptions,
  path: string,
  common: Pick<CenterBase, "clock" | "logger" | "signal">,
): Promise<OpenStore> {
  if (storeUrl === undefined) {
    const quota = maxStoreBytes === undefined ? {} : { maxFileBytes: maxStoreBytes };
    return openSqliteStore({ path, ...quota, ...common });
  }
  if (maxStoreBytes !== undefined) {
    throw new MusterError({
      code: "invalid_argument",
      message: "a largest size is of the embedded store only, and --store names a server's",
      detail: { field: "--max-store", hint: "leave one of the two out" },
    });
  }
  return openPostgresStore({ url: storeUrl, ...common });
}

/** A URL picks the engine; without one it is the file `path`. */
function openEventLog(
  { eventLogUrl }: CenterOptions,
  path: string,
  { clock, logger, signal }: Pick<CenterBase, "clock" | "logger" | "signal">,
): Promise<EventLog> {
  if (eventLogUrl === undefined) return openEmbeddedEventLog({ path, logger, signal });
  const own = logger.child({ component: "event-log" });
  return openKafkaEventLog({ url: eventLogUrl, clock, logger: own, signal });
}

function openEnrolment(base: CenterBase, core: CenterCore): ReturnType<typeof startEstServer> {
  const { options, identity, store, clock, random, logger } = base;
  return startEstServer({
    host: options.host ?? "0.0.0.0",
    port: options.enrolmentPort ?? 7_443,
    store,
    authority: identity.authority,
    serverCertificate: identity.certificate,
    trust: identity.trust,
    offerSigner: identity.offerSigner,
    directory: () => directoryOf(core.registry),
    clock,
    random,
    logger: logger.child({ component: "enrolment" }),
  });
}

/** Starts what runs by itself; the answer rejects when the center cannot go on. */
function runTasks(
  base: CenterBase,
  core: CenterCore,
  stop: AbortController,
  stack: AsyncDisposableStack,
): Promise<never> {
  const { clock, logger } = base;
  const { signal } = stop;
  const repository = base.identity.trust;
  const loop = core.loop.run(signal);
  const renewal = runTrustRenewal({ repository, clock, logger, signal });
  const silence = watchSilence(core.registry, clock, signal);
  const appends = watchAppends(base.log, core.loop, signal);
  const pruning = runRecordPruner({ store: base.store, clock, logger, signal });
  const policy = {
    keepAttemptsMs: base.options.keepAttemptsMs ?? DEFAULT_RETENTION.keepAttemptsMs,
    keepRollouts: base.options.keepRollouts ?? DEFAULT_RETENTION.keepRollouts,
  };
  const retention = runAttemptPruner({ store: base.store, policy, clock, logger, signal });
  const sampling = runDiskSampler({ ...base, policy, signal });
  const availability = runAvailabilityRecorder({
    store: base.store,
    fleet: core.fleet,
    clock,
    logger,
    signal,
  });
  const followed = {
    store: base.store,
    changes: core.changes,
    openRollouts: () => core.loop.openRollouts,
    inbox: core.inbox,
    clock,
  };
  const planned = {
    releases: core.releases,
    running: () => core.loop.running,
    digests: () => core.loop.digests,
  };
  const leavers = new LeaverWatch(followed).run({ logger, signal });
  const joiners = new JoinerWatch({ ...followed, ...planned }).run({ logger, signal });
  const failed = new Promise<never>((_, reject) => {
    loop.catch(reject);
  });
  failed.catch(() => undefined); // whoever holds the center looks at it; nobody must
  stack.defer(async () => {
    stop.abort();
    core.inbox.wake();
    const watches = [silence, appends, leavers, joiners];
    const tasks = [loop, renewal, pruning, retention, sampling, availability, ...watches];
    await Promise.allSettled(tasks);
    await core.stops.settled();
  });
  return failed;
}

/** Wakes the loop for what others append: another center, where the log is shared. */
async function watchAppends(
  log: EventLog,
  loop: CenterCore["loop"],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await log.waitForAppend({ signal });
    loop.reportsAppended();
  }
}

async function watchSilence(
  registry: GatewayRegistry,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    registry.checkSilence();
    await delay(clock, SILENCE_CHECK_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}

async function makeDataFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFailure(error, "make the data folder", path);
  }
}
