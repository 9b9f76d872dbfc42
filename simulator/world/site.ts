// SPDX-License-Identifier: Apache-2.0
/**
 * The gateways and devices of a simulated world, what outlives their crashes (disks), and the wires
 * between them: who reaches whom, and what becomes of a connection when one of its ends dies.
 */
import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { MusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Operation } from "../swarm/model-effects.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import { CenterWire } from "./center-wire.ts";
import { DeedReader } from "./deeds.ts";
import { DeviceWire } from "./device-wire.ts";
import type { Life, Role } from "./life.ts";
import { memoryDisk } from "./memory-disk.ts";
import { MemoryFiles } from "./memory-files.ts";
import { mortal } from "./mortal.ts";
import { luckOf, pretendedPrograms } from "./programs.ts";
import { LAYOUT, startSimulatedAgent } from "./simulated-agent.ts";
import type { SimulatedCenter } from "./simulated-center.ts";
import { startSimulatedGateway, type SimulatedGateway } from "./simulated-gateway.ts";
import type { SimulatedReleases } from "./simulated-releases.ts";
import type { Storm } from "./storm.ts";

export const REGION = "eu";
/** Where a device dies of its release; a person comes by later than a process is started again. */
export const BRICKED = "its release";

const MAX_WIRE_DELAY_MS = 80;
const DIAL_TIMEOUT_MS = 3_000;
const GATEWAY_CLOCK_MS = 600_000;
const DEVICE_CLOCK_MS = 30_000;
const MAX_DETECTION_MS = 30_000;
/** Of the deaths: the machine's, of which nobody is told. */
const SILENT_DEATHS = 0.5;

const FILE_CHANGES: ReadonlySet<string> = new Set([
  "writeAtomically",
  "makeFolder",
  "createFolder",
  "remove",
  "rename",
  "createFile",
  "appendFile",
  "truncate",
  "setMode",
  "createLink",
  "createHardLink",
  "switchLink",
  "synchronise",
]);
const DISK_CHANGES: ReadonlySet<string> = new Set(["makeFolder", "writeDurable", "remove"]);

export interface SiteOptions {
  readonly seed: string;
  readonly logger: Logger;
  readonly storm: Storm;
  readonly releases: SimulatedReleases;
  readonly outside: Life;
  readonly offerKey: Buffer;
  /** Null = down. */
  readonly center: () => SimulatedCenter | null;
  /** Starts a node now, and again after each death. */
  readonly boot: (
    who: string,
    role: Role,
    start: (life: Life, random: SeededRandom) => Promise<void>,
  ) => void;
  readonly record: (who: string, what: string) => void;
  readonly did: (device: string, operation: Operation) => void;
  /** Its process ends, with an error. */
  readonly gaveUp: (life: Life, error: unknown) => void;
}

export class Site {
  private readonly options: SiteOptions;
  private readonly gateways = new Map<string, SimulatedGateway>();
  /** `device gateway` and gateways that are cut off. */
  private readonly cutOff = new Set<string>();
  private readonly wires = new Map<string, Set<DeviceWire>>();

  constructor(options: SiteOptions) {
    this.options = options;
  }

  addGateway(id: string): void {
    const { logger, storm, center, boot } = this.options;
    const kept = memoryDisk();
    const usualMs = this.usualDelayMs(id);
    let wire: CenterWire | null = null;
    boot(id, "gateway", async (life, random) => {
      wire = new CenterWire({
        gateway: life,
        identity: { region: REGION, gateway: id },
        delayMs: () => storm.delayMs(usualMs),
        detectionMs: () => random.next() * MAX_DETECTION_MS,
        isCut: () => this.cutOff.has(id),
        center,
      });
      const tryChange = (method: string): void => storm.tryDisk(id, method);
      const disk = mortal(kept, { life, port: "disk", changes: DISK_CHANGES, tryChange });
      // The machine has died, not only the process, when its connections fell silent.
      const isNewBoot = random.next() < SILENT_DEATHS;
      const bootId = isNewBoot ? `${id} ${life.monotonicMs()}` : id;
      const common = { life, region: REGION, wire, disk, random, bootId, logger };
      this.gateways.set(id, await startSimulatedGateway(common));
      this.options.record(id, "is up");
    });
    storm.cutGateway(id, {
      cut: () => {
        this.cutOff.add(id);
        wire?.lose();
      },
      mend: () => this.cutOff.delete(id),
    });
    storm.spoilDisk(id);
    storm.setClock(id, GATEWAY_CLOCK_MS);
  }

  addDevice(id: string, gateways: readonly string[]): void {
    const { logger, storm, releases, offerKey, boot } = this.options;
    const files = new MemoryFiles();
    const deeds = new DeedReader({
      files,
      layout: LAYOUT,
      contentOf: (text) => releases.contents.get(text) ?? null,
      record: (operation) => this.options.did(id, operation),
    });
    files.watch((path) => deeds.changed(path));
    boot(id, "agent", async (life, random) => {
      const record = (what: string): void => {
        if (life.isAlive) this.options.record(id, what);
      };
      const tryChange = (method: string): void => storm.tryDisk(id, method);
      await startSimulatedAgent({
        life,
        files: mortal(files, { life, port: "files", changes: FILE_CHANGES, tryChange }),
        processes: pretendedPrograms({
          life,
          random,
          luck: (version) => luckOf(this.options.seed, id, version, releases.failingShare(version)),
          brick: () => life.die(BRICKED),
          record,
        }),
        random,
        bootId: `${id} ${life.monotonicMs()}`,
        logger,
        offerKey,
        blobs: releases.blobs,
        gateways,
        openStream: ({ host, signal }) => this.dial(life, random, host, signal),
        isReachable: () => gateways.some((gateway) => !this.isCut(id, gateway)),
        record,
        onFailure: (error) => this.options.gaveUp(life, error),
      });
    });
    storm.cutDevice(id, gateways, {
      cut: (lost) => this.cutWires(id, lost),
      mend: (lost) => this.mendWires(id, lost),
    });
    storm.spoilDisk(id);
    storm.setClock(id, DEVICE_CLOCK_MS);
  }

  private async dial(
    life: Life,
    random: SeededRandom,
    host: string,
    signal: AbortSignal,
  ): Promise<Duplex> {
    const { storm } = this.options;
    const device = life.who;
    const usualMs = this.usualDelayMs(device);
    const isCut = this.isCut(device, host);
    await delay(life, isCut ? DIAL_TIMEOUT_MS : 4 * usualMs, signal);
    const gateway = this.gateways.get(host);
    if (isCut || this.isCut(device, host) || gateway?.life.isAlive !== true) {
      throw new MusterError({ code: "unavailable", message: `${host} does not answer` });
    }
    const wire = new DeviceWire({
      device: life,
      gateway: gateway.life,
      delayMs: () => storm.delayMs(usualMs),
      isTwice: () => storm.isTwice(),
    });
    this.keep(device, host, wire);
    const isSilent = random.next() < SILENT_DEATHS;
    for (const end of [life, gateway.life]) {
      end.atDeath(() => (isSilent ? wire.cut() : wire.reset()));
    }
    gateway.life.setTimer(0, () => gateway.accept(device, wire));
    return wire.device;
  }

  private isCut(device: string, gateway: string): boolean {
    return this.cutOff.has(`${device} ${gateway}`);
  }

  private keep(device: string, gateway: string, wire: DeviceWire): void {
    const key = `${device} ${gateway}`;
    const wires = this.wires.get(key) ?? new Set();
    this.wires.set(key, wires.add(wire));
    wire.device.once("close", () => wires.delete(wire));
  }

  private cutWires(device: string, gateways: readonly string[]): void {
    for (const gateway of gateways) {
      this.cutOff.add(`${device} ${gateway}`);
      for (const wire of this.wires.get(`${device} ${gateway}`) ?? []) wire.cut();
    }
  }

  private mendWires(device: string, gateways: readonly string[]): void {
    for (const gateway of gateways) {
      this.cutOff.delete(`${device} ${gateway}`);
      for (const wire of this.wires.get(`${device} ${gateway}`) ?? []) wire.reset();
    }
  }

  /** Of the wire of that node. */
  private usualDelayMs(who: string): number {
    const random = new SeededRandom({ seed: this.options.seed, name: `wire of ${who}` });
    return 1 + random.next() * MAX_WIRE_DELAY_MS;
  }
}
