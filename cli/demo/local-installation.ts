// SPDX-License-Identifier: Apache-2.0
/**
 * A whole installation on this machine, each role a process of its own on free ports: what the demo
 * runs, and the tests that need real processes. Everything lies in one folder.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CodecName } from "../../protocol/device/codec-names.ts";
import { createSession, type Session } from "../client.ts";
import type { Shell } from "../shell.ts";
import { RoleProcess, type ReadyFacts } from "./role-process.ts";

export interface LocalInstallationOptions {
  readonly folder: string;
  readonly shell: Pick<Shell, "random" | "interrupt" | "clock">;
  /** Of devices and gateways, as text: `5s`. */
  readonly heartbeat: string;
  /** How long an offer may be accepted: `60s`. */
  readonly offerLifetime?: string;
  readonly leaseLifetime?: string;
  /** Further options of the center, as `{ "event-log": "kafka://…" }`. */
  readonly centerFlags?: { readonly [name: string]: string | number };
  /** Further options of each gateway, as `{ "insecure-coap-port": 0 }`. */
  readonly gatewayFlags?: { readonly [name: string]: string | number };
  /** The command `muster` by which roles are started; default: the one beside this program. */
  readonly launcher?: string;
  /** Least level that roles log. Default `info`. */
  readonly logLevel?: string;
}

export interface AgentFacts {
  readonly id: string;
  readonly inventory: { readonly [name: string]: string };
  readonly region?: string;
  readonly site?: string;
  readonly labels?: { readonly [name: string]: string };
  /** Default false. */
  readonly critical?: boolean;
  /** Commands of the center that it runs. Default: the agent's. */
  readonly commands?: "off" | "built-in" | "any";
  /** Of its heartbeats. Default: the agent's. */
  readonly codec?: CodecName;
  /** Further options of its agent, in place of ours, as `{ "enrolment-url": "https://…" }`. */
  readonly flags?: { readonly [name: string]: string | number };
}

type Environment = { readonly [name: string]: string | undefined };

export class LocalInstallation implements AsyncDisposable {
  readonly folder: string;
  /** The process as started last. */
  center: RoleProcess;
  readonly gateways: Map<string, RoleProcess> = new Map();
  readonly agents: Map<string, RoleProcess> = new Map();
  private readonly options: LocalInstallationOptions;
  private opened: Session | null = null;

  constructor(options: LocalInstallationOptions) {
    this.folder = options.folder;
    this.options = options;
    this.center = this.role("center", "center", []);
  }

  /** A path in the installation's folder. */
  at(name: string): string {
    return join(this.folder, name);
  }

  /** The API as the first operator. */
  get session(): Session {
    if (this.opened === null) throw new Error("assertion failed: the center was started");
    return this.opened;
  }

  get enrolmentUrl(): string {
    return `https://localhost:${this.center.port("enrolmentPort")}`;
  }

  /** The key that signs releases, which the center made at its first start. */
  get targetsKeyFile(): string {
    return this.at("center/operator/targets.key.pem");
  }

  /**
   * Starts the center; its ports are kept, so that gateways find it again after a restart.
   * `maxStore`: the size of its database, as `20GiB`.
   */
  async startCenter(
    environment: Environment = {},
    options: { readonly maxStore?: string } = {},
  ): Promise<void> {
    const { signal } = this.options.shell.interrupt;
    await mkdir(this.folder, { recursive: true });
    const again = this.opened !== null;
    const args = this.centerArgs(again);
    if (options.maxStore !== undefined) args.push("--max-store", options.maxStore);
    const center = this.role("center", "center", args, environment, this.center.facts);
    this.center = center;
    await center.start(signal);
    const token = (await readFile(this.at("center/operator/token"), "utf8")).trim();
    this.opened = createSession({
      shell: this.options.shell,
      connection: {
        server: `http://127.0.0.1:${center.port("apiPort")}`,
        token,
        caPem: null,
        tenant: "default",
      },
    });
  }

  private centerArgs(again: boolean): string[] {
    const port = (name: string): number => (again ? this.center.port(`${name}Port`) : 0);
    const { heartbeat, offerLifetime = "60s", leaseLifetime = "30s" } = this.options;
    return flags("center", {
      data: this.at("center"),
      host: "127.0.0.1",
      "admin-port": 0,
      "api-port": port("api"),
      "link-port": port("link"),
      "enrolment-port": port("enrolment"),
      heartbeat,
      "offer-lifetime": offerLifetime,
      "lease-lifetime": leaseLifetime,
      ...this.options.centerFlags,
    });
  }

  /** Enrols a gateway where it has no identity yet, and starts it. */
  async startGateway(id: string, environment: Environment = {}): Promise<RoleProcess> {
    const { signal } = this.options.shell.interrupt;
    const before = this.gateways.get(id);
    const { session } = this;
    const args = flags("gateway", {
      data: this.at(id),
      ip: "127.0.0.1",
      host: "127.0.0.1",
      center: `localhost:${this.center.port("linkPort")}`,
      heartbeat: this.options.heartbeat,
      "admin-port": 0,
      "enrolment-url": this.enrolmentUrl,
      "mqtts-port": before?.port("mqttsPort") ?? 0,
      "artifacts-port": before?.port("artifactsPort") ?? 0,
      ...this.gatewayFlags(before),
    });
    if (before === undefined) {
      const { token } = await session.client.enrolGateway({
        mutation: session.mutation("local installation"),
        region: "local",
        gateway: id,
        hosts: ["localhost", "127.0.0.1"],
      });
      const tokenFile = this.at(`${id}.token`);
      await writeFile(tokenFile, token, { mode: 0o600 });
      args.push("--enrol-token-file", tokenFile);
    }
    const gateway = this.role(`gateway ${id}`, id, args, environment, before?.facts);
    this.gateways.set(id, gateway);
    await gateway.start(signal);
    return gateway;
  }

  /** A port that was free at the first start is the same one at the next. */
  private gatewayFlags(before: RoleProcess | undefined): { [name: string]: string | number } {
    const flagsOf = Object.entries(this.options.gatewayFlags ?? {});
    return Object.fromEntries(
      flagsOf.map(([name, value]) => {
        const isPort = value === 0 && name.endsWith("-port") && before !== undefined;
        return [name, isPort ? before.port(factOf(name)) : value];
      }),
    );
  }

  /** Registers and enrols the device where it is new, and starts its agent. */
  async startAgent(facts: AgentFacts, environment: Environment = {}): Promise<RoleProcess> {
    const { signal } = this.options.shell.interrupt;
    const { session } = this;
    const args = flags("agent", {
      data: this.at(facts.id),
      "enrolment-url": this.enrolmentUrl,
      heartbeat: this.options.heartbeat,
      "admin-port": 0,
      "evidence-interval": "5s",
      "backoff-ceiling": "4s",
      ...facts.flags,
    });
    for (const [name, value] of Object.entries(facts.inventory)) {
      args.push("--inventory", `${name}=${value}`);
    }
    if (facts.commands !== undefined) args.push("--commands", facts.commands);
    if (facts.codec !== undefined) args.push("--codec", facts.codec);
    if (!this.agents.has(facts.id)) {
      const { id, region = "local", site = "", labels = {}, critical = false } = facts;
      const mutation = session.mutation("local installation");
      const devices = [{ id, region, site, labels, critical }];
      await session.client.registerDevices({ mutation, devices });
      const { tokens } = await session.client.enrolDevices({
        mutation: session.mutation("local installation"),
        devices: [id],
      });
      const tokenFile = this.at(`${id}.token`);
      await writeFile(tokenFile, tokens[0] ?? "", { mode: 0o600 });
      args.push("--enrol-token-file", tokenFile);
    }
    const agent = this.role(`agent ${facts.id}`, facts.id, args, environment);
    this.agents.set(facts.id, agent);
    await agent.start(signal);
    return agent;
  }

  private role(
    name: string,
    base: string,
    args: readonly string[],
    environment: Environment = {},
    before: ReadyFacts = {},
  ): RoleProcess {
    const { shell, logLevel = "info", launcher } = this.options;
    return new RoleProcess({
      name,
      ...(launcher === undefined ? {} : { launcher }),
      args: [...args, "--log-level", logLevel],
      fileBase: this.at(base),
      environment,
      before,
      clock: shell.clock,
    });
  }

  /** Agents first, so that nothing reports a connection lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.stop()));
    await Promise.all([...this.gateways.values()].map((gateway) => gateway.stop()));
    await this.center.stop();
  }
}

/** `coap-port` → `coapPort`. */
function factOf(flag: string): string {
  return flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** A command line: `flags("center", { "api-port": 0 })` → `center --api-port 0`. */
function flags(command: string, values: { readonly [name: string]: string | number }): string[] {
  return [
    command,
    ...Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ];
}
