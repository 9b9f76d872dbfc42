// SPDX-License-Identifier: Apache-2.0
/** A real gateway on free ports of loopback, with a fake center, in a folder of the test. */
import { cp, readFile, rename, rm, writeFile } from "node:fs/promises";
import type { TestContext } from "node:test";
import { startGateway } from "../../../gateway/wiring.ts";
import type { GatewayOptions, RunningGateway } from "../../../gateway/options.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { tempDir, type TempDir } from "../../helpers/temp-dir.ts";
import { FakeCenter } from "./fake-center.ts";
import { FixtureAuthority, writeIdentity, type KeyAndCertificate } from "./fixture-authority.ts";
import { TestDevice, type TestDeviceOptions } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

export class GatewayFixture {
  readonly folder: TempDir;
  readonly authority: FixtureAuthority;
  readonly center: FakeCenter;
  readonly #options: GatewayOptions;
  #gateway: RunningGateway | null = null;
  readonly #identities = new Map<string, KeyAndCertificate>();
  #nextOrdinal = 1;

  private constructor(
    folder: TempDir,
    authority: FixtureAuthority,
    center: FakeCenter,
    options: GatewayOptions,
  ) {
    this.folder = folder;
    this.authority = authority;
    this.center = center;
    this.#options = options;
  }

  /** Started and linked; everything ends with the test. */
  static async start(
    context: TestContext,
    options: Partial<GatewayOptions> = {},
  ): Promise<GatewayFixture> {
    const folder = await tempDir("gateway");
    const authority = await FixtureAuthority.create(folder.join("ca"));
    const center = new FakeCenter({ identity: await authority.center() });
    await center.start();
    const identityDirectory = folder.join("identity");
    await writeIdentity(identityDirectory, await authority.gateway("eu", "gw-1"));
    const fixture = new GatewayFixture(folder, authority, center, {
      dataDirectory: folder.join("data"),
      identityDirectory,
      gatewayId: "gw-1",
      region: "eu",
      ip: "127.0.0.1",
      host: "127.0.0.1",
      centerAddress: `localhost:${center.port}`,
      mqttsPort: 0,
      artifactsPort: 0,
      adminPort: 0,
      drainTimeoutMs: 2_000,
      version: "0.1.0",
      logger: SILENT_LOGGER,
      ...options,
    });
    context.after(async () => {
      await fixture.#gateway?.stop();
      await center.kill();
      await folder[Symbol.asyncDispose]();
    });
    await fixture.startGateway();
    await waitUntil("the gateway is linked", () => fixture.gateway.isLinked());
    return fixture;
  }

  get gateway(): RunningGateway {
    if (this.#gateway === null) throw new Error("the gateway is not started");
    return this.#gateway;
  }

  async startGateway(): Promise<void> {
    this.#gateway = await startGateway(this.#options);
  }

  /** One more process of it, in a folder of its own; linked. Whoever starts it stops it. */
  async startAnother(options: Partial<GatewayOptions>): Promise<RunningGateway> {
    const gateway = await startGateway({ ...this.#options, ...options });
    await waitUntil("the other gateway is linked", () => gateway.isLinked());
    return gateway;
  }

  /** Ends the gateway; its disk is then as it was before, as after `kill -9`. */
  async crashGateway(): Promise<void> {
    const data = this.folder.join("data");
    const before = this.folder.join("data-before");
    await cp(data, before, { recursive: true });
    await this.gateway.stop();
    await rm(data, { recursive: true });
    await rename(before, data);
  }

  async rewriteLeaseFile(change: (state: object) => object): Promise<void> {
    const file = this.folder.join("data", "leases.json");
    const state = JSON.parse(await readFile(file, "utf8")) as object;
    await writeFile(file, JSON.stringify(change(state)));
  }

  /** Registers a device with the center and issues its certificate. */
  async enrol(device: string, tenant = "default"): Promise<KeyAndCertificate> {
    const known = this.#identities.get(`${tenant}/${device}`);
    if (known !== undefined) return known;
    const identity = await this.authority.device(tenant, device);
    this.#identities.set(`${tenant}/${device}`, identity);
    this.center.ordinals.set(`${tenant}/${device}`, this.#nextOrdinal++);
    return identity;
  }

  ordinalOf(device: string, tenant = "default"): number {
    return this.center.ordinals.get(`${tenant}/${device}`) ?? 0;
  }

  /** Leases one offer, `{"offer":7}` or of another generation, for the device. */
  offer(device: string, generation = 7): void {
    this.center.send({
      case: "planLease",
      value: {
        $typeName: "muster.v1.PlanLease",
        leaseId: `l-${generation - 6}`,
        rollout: 1,
        stopEpoch: 1n,
        timeToLiveMs: 30_000,
        positions: [0],
        ordinals: [this.ordinalOf(device)],
        generations: [generation],
        offers: [Buffer.from(`{"offer":${generation}}`)],
      },
    });
  }

  async connect(device: string, options: Partial<TestDeviceOptions> = {}): Promise<TestDevice> {
    const tenant = options.tenant ?? "default";
    const identity = options.identity ?? (await this.enrol(device, tenant));
    const { mqttsPort: port } = this.gateway;
    return await TestDevice.connect({ port, identity, tenant, device, ...options });
  }

  /** Connects, subscribes, and waits until the grant is here: evidence goes up only then. */
  async connectGranted(device: string): Promise<TestDevice> {
    const connected = await this.connect(device);
    await connected.subscribeDown();
    const os = { digest: "", version: "", generation: 0, health: "unknown" };
    await connected.publish("heartbeat", { sequence: 0, slots: { os } });
    await waitUntil(`${device} is granted`, () =>
      this.center
        .saidOf("deviceState")
        .some(({ ordinals }) => ordinals.includes(this.ordinalOf(device))),
    );
    return connected;
  }

  /** The value of one series of `/metrics`; 0 when it is not there. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    const metric = await this.gateway.registry.getSingleMetric(`muster_gateway_${name}`)?.get();
    const wanted = Object.entries(labels);
    const series = metric?.values.find((value) =>
      wanted.every(([label, text]) => (value.labels as Record<string, unknown>)[label] === text),
    );
    return series?.value ?? 0;
  }
}
