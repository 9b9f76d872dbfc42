// SPDX-License-Identifier: Apache-2.0
/**
 * The one installation that all bad inputs are tried on: a center, a gateway and an agent that runs
 * `shop` 1.0.0, each its own process; two more devices that have certificates and no agent; and
 * what a command is wrong about: a draft, a plan, a rollout that has ended.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import { SignJWT } from "jose";
import { enrolInMemory, type EnrolledIdentity } from "../../../agent/trust/enrol.ts";
import { IdentityFiles } from "../../../agent/trust/identity-files.ts";
import { WorkingTime } from "../../../agent/trust/working-time.ts";
import { LocalInstallation } from "../../../cli/demo/local-installation.ts";
import { publishDemoRelease } from "../../../cli/demo/demo-release.ts";
import type { Bundle } from "../../../cli/release/bundle.ts";
import { createProgress, type Progress } from "../../../cli/progress/progress.ts";
import {
  RolloutState,
  type CreateTokenResponse,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { testShell } from "../../helpers/shell.ts";
import { until } from "../../helpers/until.ts";
import { runMuster, type MusterResult } from "../../integration/cli/run-muster.ts";
import { SmallDisks } from "./small-disks.ts";
import { agentDigest, centerDigest, gatewayDigest } from "./state-digest.ts";

/** The device with an agent. */
export const AGENT = "till-1";
/** A device of the same tenant, without one. */
export const SPARE = "spare-1";
/** A device of this tenant. */
export const OTHER_TENANT = "other";
export const VISITOR = "visitor-1";

const SETUP_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 20_000;
/** The center stores what devices run two seconds after a change: no sooner is it at rest. */
const AT_REST_MS = 2_500;

/** Operator tokens that are good for little or nothing. */
export interface OperatorTokens {
  readonly viewer: string;
  /** For the tenant `default` only. */
  readonly operator: string;
  readonly expired: string;
  readonly revoked: string;
  /** Of another installation. */
  readonly foreign: string;
}

/** One-time tokens of the spare device. */
export interface EnrolmentTokens {
  /** No case uses it up. */
  readonly good: string;
  readonly expired: string;
  /** Redeemed by another key. */
  readonly used: string;
  /** Of a gateway that is not there. */
  readonly gateway: string;
}

export interface StateDigests {
  readonly center: string;
  readonly gateway: string;
  readonly agent: string;
}

export class World {
  readonly installation: LocalInstallation;
  readonly disks: SmallDisks;
  readonly signal: AbortSignal;
  readonly spare: EnrolledIdentity;
  readonly visitor: EnrolledIdentity;
  readonly tokens: OperatorTokens;
  readonly enrolmentTokens: EnrolmentTokens;
  /** Of `gw-1`: certificate, key and authority. */
  readonly gatewayTls: ConnectionOptions;
  /** SHA-256 of an artifact that the center has and the gateway has not. */
  readonly appDigest: string;
  #publishedCount = 0;

  constructor(options: {
    installation: LocalInstallation;
    disks: SmallDisks;
    signal: AbortSignal;
    spare: EnrolledIdentity;
    visitor: EnrolledIdentity;
    tokens: OperatorTokens;
    enrolmentTokens: EnrolmentTokens;
    gatewayTls: ConnectionOptions;
    appDigest: string;
  }) {
    this.installation = options.installation;
    this.disks = options.disks;
    this.signal = options.signal;
    this.spare = options.spare;
    this.visitor = options.visitor;
    this.tokens = options.tokens;
    this.enrolmentTokens = options.enrolmentTokens;
    this.gatewayTls = options.gatewayTls;
    this.appDigest = options.appDigest;
  }

  /** The first operator's. */
  get token(): string {
    return this.installation.session.connection.token ?? "";
  }

  get api(): string {
    return this.installation.session.connection.server;
  }

  get gateway(): RoleOf<"gateways"> {
    const gateway = this.installation.gateways.get("gw-1");
    assert.ok(gateway !== undefined, "the gateway was started");
    return gateway;
  }

  get agent(): RoleOf<"agents"> {
    const agent = this.installation.agents.get(AGENT);
    assert.ok(agent !== undefined, "the agent was started");
    return agent;
  }

  /** What differs from run to run, as the page calls it. */
  get values(): { readonly [name: string]: string } {
    const { center, folder } = this.installation;
    return {
      apiPort: String(center.port("apiPort")),
      linkPort: String(center.port("linkPort")),
      enrolmentPort: String(center.port("enrolmentPort")),
      mqttsPort: String(this.gateway.port("mqttsPort")),
      artifactsPort: String(this.gateway.port("artifactsPort")),
      agentAdminPort: String(this.agent.port("adminPort")),
      data: folder,
    };
  }

  /** A command line, to its end; `token` "" = none. */
  muster(
    words: readonly string[],
    options: { folder: string; token?: string; environment?: { [name: string]: string } },
  ): Promise<MusterResult> {
    const { token = this.token } = options;
    const environment = {
      MUSTER_SERVER: this.api,
      // A hundred commands start a hundred times; compiling once halves that.
      NODE_COMPILE_CACHE: this.installation.at("compiled"),
      ...(token === "" ? {} : { MUSTER_TOKEN: token }),
      ...options.environment,
    };
    return runMuster(words, { cwd: options.folder, environment });
  }

  /** Publishes one more version, so that the center's targets move on. */
  async publishNext(): Promise<void> {
    this.#publishedCount += 1;
    await publish(this.installation, `1.9.${this.#publishedCount}`);
  }

  async digests(): Promise<StateDigests> {
    const { installation } = this;
    return {
      center: await centerDigest(installation.at("center")),
      gateway: await gatewayDigest(installation.at("gw-1")),
      agent: await agentDigest(installation.at(AGENT)),
    };
  }

  /** Resolves with the state when it has been the same for a while. */
  async settled(): Promise<StateDigests> {
    let last = await this.digests();
    let sinceMs = systemClock.monotonicMs();
    const isAtRest = async (): Promise<boolean> => {
      const now = await this.digests();
      if (JSON.stringify(now) !== JSON.stringify(last)) sinceMs = systemClock.monotonicMs();
      last = now;
      return systemClock.monotonicMs() - sinceMs >= AT_REST_MS;
    };
    const { signal } = this;
    await until("the state is at rest", isAtRest, { timeoutMs: SETTLE_TIMEOUT_MS, signal });
    return last;
  }

  /** Names of the roles that do not answer on their admin port. */
  async deadRoles(): Promise<string[]> {
    const roles = [this.installation.center, this.gateway, this.agent];
    const answers = await Promise.all(
      roles.map(async (role) => {
        const url = `http://127.0.0.1:${role.port("adminPort")}/livez`;
        const status = await fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
          (response) => response.status,
          () => 0,
        );
        return role.isRunning && status === 200 ? [] : [role.name];
      }),
    );
    return answers.flat();
  }
}

type RoleOf<Kind extends "gateways" | "agents"> = NonNullable<
  ReturnType<LocalInstallation[Kind]["get"]>
>;

/** Starts it in `folder`, and makes what the cases are wrong about. */
export async function openWorld(
  folder: string,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<World> {
  const disks = stack.use(new SmallDisks());
  await disks.mount({
    [join(folder, "center")]: 64,
    [join(folder, "gw-1")]: 16,
    [join(folder, AGENT)]: 16,
  });
  const shell = testShell(signal);
  const installation = new LocalInstallation({ folder, shell, heartbeat: "1s" });
  stack.use(installation);
  const environment = { NODE_COMPILE_CACHE: installation.at("compiled") };
  await installation.startCenter(environment);
  await installation.startGateway("gw-1", environment);
  await installation.startAgent({ id: AGENT, inventory: { hwRevision: "rev-b" } }, environment);
  await publish(installation, "1.0.0");
  await rollOut(installation, "shop-1.0", "shop@1.0.0", signal);
  const { manifest } = await publish(installation, "1.1.0");
  const { client } = installation.session;
  const spec = { release: "shop@1.1.0", selector: "region = local" };
  for (const name of ["draft", "planned"]) await client.applyRollout({ name, spec });
  await client.planRollout({ name: "planned" });
  const enrolled = await enrolSpareDevices(installation, signal);
  const tokens = await makeTokens(installation);
  const identity = (name: string): Promise<string> =>
    readFile(installation.at(`gw-1/identity/${name}.pem`), "utf8");
  const gatewayTls = {
    cert: await identity("cert"),
    key: await identity("key"),
    ca: await identity("ca"),
  };
  const appDigest = manifest.artifacts[0]?.sha256 ?? "";
  return new World({ installation, disks, signal, ...enrolled, tokens, gatewayTls, appDigest });
}

async function makeTokens(installation: LocalInstallation): Promise<OperatorTokens> {
  const { client } = installation.session;
  const make = async (name: string, role: string, lifetimeMs = 0n): Promise<CreateTokenResponse> =>
    client.createToken({ name, role, tenant: "default", lifetimeMs });
  const revoked = await make("revoked", "viewer");
  await client.revokeToken({ id: revoked.record?.id ?? "" });
  const foreign = await new SignJWT({ tenant: "*", role: "admin" })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("muster")
    .setSubject("first")
    .setJti("0123456789")
    .setExpirationTime("1h")
    .sign(systemRandom.bytes(32));
  return {
    viewer: (await make("viewer", "viewer")).token,
    operator: (await make("operator", "operator")).token,
    expired: (await make("expired", "viewer", 1n)).token,
    revoked: revoked.token,
    foreign,
  };
}

export async function publish(installation: LocalInstallation, version: string): Promise<Bundle> {
  using progress = quietProgress();
  return publishDemoRelease({
    session: installation.session,
    folder: installation.at("releases"),
    keyFile: installation.targetsKeyFile,
    release: { name: "shop", version, failsOn: "" },
    progress,
    nowMs: systemClock.wallMs(),
  });
}

/** Applies, plans, starts and waits for the end; the state that it ends in. */
export async function rollOut(
  installation: LocalInstallation,
  name: string,
  release: string,
  signal: AbortSignal,
): Promise<RolloutState> {
  const { client } = installation.session;
  const selector = `id = ${AGENT}`;
  const spec = { release, selector, soakMs: 500n, gate: { minSample: 1 } };
  await client.applyRollout({ name, spec });
  await client.planRollout({ name });
  await client.startRollout({ name });
  let state: RolloutState = RolloutState.UNSPECIFIED;
  const hasEnded = async (): Promise<boolean> => {
    state = (await client.getRollout({ name })).rollout?.state ?? state;
    return ENDED.includes(state);
  };
  await until(`rollout ${name} has ended`, hasEnded, { timeoutMs: SETUP_TIMEOUT_MS, signal });
  return state;
}

const ENDED: readonly RolloutState[] = [
  RolloutState.SUCCEEDED,
  RolloutState.ROLLED_BACK,
  RolloutState.STOPPED,
];

async function enrolSpareDevices(
  installation: LocalInstallation,
  signal: AbortSignal,
): Promise<Pick<World, "spare" | "visitor" | "enrolmentTokens">> {
  const { client } = installation.session;
  const { enrolmentUrl } = installation;
  const region = "local";
  await client.registerDevices({ devices: [{ id: SPARE, region }] });
  await client.registerDevices({ tenant: OTHER_TENANT, devices: [{ id: VISITOR, region }] });
  const newToken = async (tenant: string, device: string, lifetimeMs = 0n): Promise<string> => {
    const { tokens } = await client.enrolDevices({ tenant, devices: [device], lifetimeMs });
    return tokens[0] ?? "";
  };
  const enrol = (token: string): Promise<EnrolledIdentity> => {
    const workingTime = new WorkingTime({ clock: systemClock, floorMs: 0 });
    return enrolInMemory({ token, enrolmentUrl, workingTime, signal });
  };
  const used = await newToken("default", SPARE);
  const { token: gateway } = await client.enrolGateway({ gateway: "gw-2", region });
  return {
    spare: await enrol(used),
    visitor: await enrol(await newToken(OTHER_TENANT, VISITOR)),
    enrolmentTokens: {
      good: await newToken("default", SPARE),
      expired: await newToken("default", SPARE, 1n),
      used,
      gateway,
    },
  };
}

/** Writes an identity into a data folder as enrolment does. */
export async function writeIdentity(folder: string, identity: EnrolledIdentity): Promise<void> {
  await mkdir(join(folder, "identity"), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, "identity", "key.pem"), identity.keyPem, { mode: 0o600 });
  await new IdentityFiles({ directory: folder }).save(identity);
}

/** The log lines of a role from `offset` on, what is not text in them as JSON. */
export async function logLines(
  file: string,
  offset: number,
): Promise<{ readonly [field: string]: string }[]> {
  const text = (await readFile(file, "utf8").catch(() => "")).slice(offset);
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => {
    const fields = Object.entries(JSON.parse(line) as object);
    return Object.fromEntries(
      fields.map(([name, value]) => [
        name,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    );
  });
}

/** Progress that nobody sees. */
export function quietProgress(): Progress {
  const stream = new PassThrough().resume();
  return createProgress({ stream, isTty: false, clock: systemClock });
}
