// SPDX-License-Identifier: Apache-2.0
/**
 * A swarm: thousands of pretend devices in this process, each with its own certificate and its own
 * connection. Starting it enrols those that are new, reads what the others did before, and lets
 * them connect in the background. Nothing of it knows the center from inside: it speaks what every
 * device speaks.
 */
import { MusterError } from "../../domain/errors.ts";
import { heartbeatCodec } from "../../protocol/device/heartbeat-codecs.ts";
import { WorkingTime } from "../../agent/trust/working-time.ts";
import { ArtifactPool } from "./artifact-pool.ts";
import { dealBehaviours } from "./behaviour.ts";
import type { SwarmDeviceSpec } from "./behaviour.ts";
import { DeviceModel } from "./device-model.ts";
import { deviceOfToken, enrolSwarm } from "./enrol-swarm.ts";
import { HeartbeatWheel } from "./heartbeat-wheel.ts";
import { IdentityWriter, readIdentities } from "./identity-book.ts";
import type { SwarmIdentities } from "./identity-book.ts";
import { Limiter } from "./limiter.ts";
import { journalFile, OperationJournal, readMemories } from "./operation-journal.ts";
import {
  DEFAULT_BACKOFF_CEILING_MS,
  DEFAULT_HEARTBEAT_INTERVAL_MS,
  MAX_DEVICES_A_PROCESS,
} from "./options.ts";
import type { RunningSwarm, SwarmOptions } from "./options.ts";
import { DEFAULT_PACE, type Pace } from "./pace.ts";
import { SwarmLife } from "./swarm-life.ts";
import { SwarmDevice } from "./swarm-device.ts";
import type { Receiver, SwarmContext } from "./swarm-context.ts";
import { SwarmGateways } from "./swarm-gateways.ts";
import { countOperation, zeroCounts } from "./swarm-stats.ts";
import { SwarmTrust } from "./swarm-trust.ts";

export { BEHAVIOURS, dealBehaviours, DEFAULT_BEHAVIOURS, parseBehaviours } from "./behaviour.ts";
export type { Behaviour, BehaviourWeights, SwarmDeviceSpec } from "./behaviour.ts";
export type { RunningSwarm, SwarmDeviceView, SwarmOptions } from "./options.ts";
export type { SwarmStats } from "./swarm-stats.ts";

/** Handshakes at once: both sides are busy with them, and a gateway gives each 10 s. */
const CONCURRENT_DIALS = 64;
const DEFAULT_TENANT = "default";

/**
 * Resolves when every device has an identity; they connect in the background. Throws
 * `invalid_argument`, `failed_precondition` (a device has neither identity nor token), and what
 * enrolment throws.
 */
export async function startSwarm(options: SwarmOptions): Promise<RunningSwarm> {
  const { clock, signal, tenant = DEFAULT_TENANT } = options;
  const workingTime = new WorkingTime({ clock, floorMs: 0 });
  const known = await readIdentities(options.dataDirectory);
  const specs = options.devices ?? defaultDevices(options, known, tenant);
  checkDevices(specs);
  const identities = await enrolMissing({ ...options, tenant, specs, known, workingTime });
  signal.throwIfAborted();
  const memories = await readMemories(options.dataDirectory, new Set(specs.map(({ id }) => id)));
  const pace: Pace = { ...DEFAULT_PACE, ...options.pace };
  const life = new SwarmLife({ signal, pace });
  const context = await openContext({ ...options, tenant }, { identities, life, workingTime });
  context.counts.devices = specs.length;
  context.counts.enrolled = specs.length;
  for (const { id, behaviour } of specs) {
    const identity = identities.byId.get(id);
    if (identity === undefined) throw new Error(`assertion failed: ${id} has an identity`);
    const memory = memories.get(id);
    const { seed, inventory, version = "0.0.0" } = options;
    const model = new DeviceModel({
      agentName: `muster-swarm/${version}`,
      ...(memory === undefined ? {} : { memory }),
      facts: {
        tenant,
        device: id,
        behaviour,
        seed: String(seed),
        pace,
        clock,
        inventory: {
          os: "muster-swarm",
          simulated: "true",
          ...inventory,
          hwRevision: behaviour === "bad-hardware" ? "rev-b" : "rev-a",
        },
      },
    });
    life.devicesOfSwarm.push(new SwarmDevice({ context, model, identity }));
  }
  await life.begin(context);
  return life;
}

function defaultDevices(
  options: SwarmOptions,
  known: SwarmIdentities | null,
  tenant: string,
): readonly SwarmDeviceSpec[] {
  const { tokens = [], behaviours = { good: 1 }, seed } = options;
  const all = new Set([
    ...(known?.byId.keys() ?? []),
    ...tokens.map((token) => deviceOfToken(token, tenant)),
  ]);
  const ids = [...all].sort().slice(0, options.deviceCount ?? all.size);
  const wanted = options.deviceCount ?? 0;
  if (ids.length < wanted) {
    throw new MusterError({
      code: "failed_precondition",
      message: `${wanted} devices are wanted; there are tokens and identities of ${ids.length}`,
      detail: { field: "tokens" },
    });
  }
  return dealBehaviours({ ids, weights: behaviours, seed: String(seed) });
}

function checkDevices(specs: readonly SwarmDeviceSpec[]): void {
  if (specs.length > 0 && specs.length <= MAX_DEVICES_A_PROCESS) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `${specs.length} devices in one process; it can be 1 to ${MAX_DEVICES_A_PROCESS}`,
    detail: { field: "devices", hint: "divide them over more processes" },
  });
}

async function enrolMissing(
  options: SwarmOptions & {
    readonly tenant: string;
    readonly specs: readonly SwarmDeviceSpec[];
    readonly known: SwarmIdentities | null;
    readonly workingTime: WorkingTime;
  },
): Promise<SwarmIdentities> {
  const { specs, known, tenant, dataDirectory: directory, part = 0 } = options;
  const missing = new Set(specs.map(({ id }) => id).filter((id) => known?.byId.has(id) !== true));
  const tokens = (options.tokens ?? []).filter((token) =>
    missing.has(deviceOfToken(token, tenant)),
  );
  const writer = new IdentityWriter({ directory, part, anchors: known?.anchors ?? null });
  let enrolledCount = specs.length - missing.size;
  const onEnrolled = (): void => {
    enrolledCount += 1;
    options.onEnrolled?.(enrolledCount);
  };
  options.onEnrolled?.(enrolledCount);
  try {
    const enrolled = await enrolSwarm({ ...options, tokens, writer, onEnrolled });
    const byId = new Map(known?.byId);
    for (const identity of enrolled?.identities ?? []) byId.set(identity.id, identity);
    const nobody = specs.find(({ id }) => !byId.has(id));
    const anchors = enrolled?.anchors ?? known?.anchors;
    if (nobody === undefined && anchors !== undefined) return { anchors, byId };
    throw new MusterError({
      code: "failed_precondition",
      message: `the pretended device ${nobody?.id ?? ""} has neither an identity nor a token`,
      detail: { field: "tokens", file: directory },
    });
  } finally {
    await writer.close();
  }
}

/** Everything that the devices share; nothing runs yet but the journal. */
async function openContext(
  options: SwarmOptions & { readonly tenant: string },
  parts: { identities: SwarmIdentities; life: SwarmLife; workingTime: WorkingTime },
): Promise<SwarmContext> {
  const { clock, random, logger, tenant, enrolmentUrl, dataDirectory, part = 0 } = options;
  const { codec = "json" } = options;
  const { life, workingTime } = parts;
  const { caPem, root } = parts.identities.anchors;
  const counts = zeroCounts();
  const signal = life.stopped;
  const shared = { clock, random, logger, tenant, caPem, workingTime, signal };
  const gateways = new SwarmGateways({
    ...shared,
    given: options.gateways ?? [],
    enrolmentUrl,
    region: options.region ?? null,
  });
  const onBytes = (byteCount: number): void => void (counts.downloadBytes += byteCount);
  const pool = new ArtifactPool({ ...shared, gateways, onBytes });
  const receivers: SwarmContext["receivers"] = new WeakMap<object, Receiver>();
  const journal = new OperationJournal({
    file: journalFile(dataDirectory, part),
    clock,
    onFailure: (error) => life.fail(error),
    onRecord: (operation) => countOperation(counts, operation),
  });
  await journal.open();
  return {
    ...shared,
    gateways,
    pool,
    trust: new SwarmTrust({ ...shared, root, pool }),
    dials: new Limiter({ placeCount: CONCURRENT_DIALS }),
    journal,
    counts,
    wheel: new HeartbeatWheel({ clock }),
    receivers,
    onPublish: (message, session) => receivers.get(session)?.receive(message, session),
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_INTERVAL_MS,
    codec,
    heartbeats: heartbeatCodec(codec),
    backoffCeilingMs: options.backoffCeilingMs ?? DEFAULT_BACKOFF_CEILING_MS,
    download: options.download ?? "full",
    stop: signal,
  };
}
