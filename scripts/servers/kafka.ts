// SPDX-License-Identifier: Apache-2.0
//
// Kafka's own broker, from Maven Central, on the machine's Java: brokers that are their controllers
// too (KRaft), each in one process. `kafka/pom.xml` says which version.

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { root } from "../stage.ts";
import { cacheFolder, endProcess, freePort, installPackages, loopbackAddress } from "./server.ts";
import { run, waitUntilReady, type Found, type ServerKind } from "./server.ts";

const FILES = join(root, "scripts", "servers", "kafka");
/** 8 to 19 s on a loaded machine, and it reads its log again after a kill. */
const READY_TIMEOUT_MS = 120_000;
const READY_LINE = "Kafka Server started";
/** Names a cluster; all of ours are private. */
const CLUSTER_ID = "MusterTestCluster0000AA";

export const kafka: ServerKind = {
  name: "kafka",
  title: "Kafka",
  find: async (): Promise<Found> => {
    if (!isInPath("java")) return { isFound: false, missing: "there is no java in PATH" };
    const place = await jarFolder();
    const jar = existsSync(place)
      ? readdirSync(place).find((name) => /^kafka_[\d.]+-[\d.]+\.jar$/.test(name))
      : undefined;
    if (jar === undefined) return { isFound: false, missing: `its jars are not in ${place}` };
    return { isFound: true, version: /-([\d.]+)\.jar$/.exec(jar)?.[1] ?? jar, place };
  },
  install: async () => {
    const missing = ["java:default-jre-headless", "mvn:maven"].filter(
      (pair) => !isInPath(pair.split(":")[0] ?? ""),
    );
    if (missing.length > 0) await installPackages(missing.map((pair) => pair.split(":")[1] ?? ""));
    const place = await jarFolder();
    const unfinished = `${place}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    const quiet = ["-B", "-q", "-ntp", "-f", join(FILES, "pom.xml")];
    const into = `-DoutputDirectory=${unfinished}`;
    await run("mvn", [...quiet, "dependency:copy-dependencies", into]);
    await rm(place, { recursive: true, force: true });
    await rename(unfinished, place);
  },
};

/** One of the brokers of a cluster. */
export interface KafkaNode {
  /** As Kafka numbers them: from 1. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
  /** Ends it in the midst of whatever it does. */
  kill(): Promise<void>;
  /** After `kill`: on the same data, at the same address. */
  start(): Promise<void>;
}

/** A cluster of its own, until it is disposed of. */
export interface KafkaServer extends AsyncDisposable {
  readonly nodes: readonly KafkaNode[];
  /** `kafka://HOST:PORT,…/TOPIC?PARAMETERS`. */
  url(topic: string, parameters?: string): string;
}

/** Starts one broker, or several that replicate. */
export async function startKafka(options: { nodeCount?: number } = {}): Promise<KafkaServer> {
  const found = await kafka.find();
  if (!found.isFound) {
    throw new Error("Kafka is missing: node scripts/servers.ts install kafka");
  }
  const { nodeCount = 1 } = options;
  const folder = await mkdtemp(join(tmpdir(), "muster-kafka-"));
  const addresses: Address[] = [];
  for (let id = 1; id <= nodeCount; id++) {
    const host = loopbackAddress();
    const port = await freePort(host);
    let controllerPort = port;
    while (controllerPort === port) controllerPort = await freePort(host);
    addresses.push({ id, host, port, controllerPort });
  }
  const nodes = addresses.map((address) => {
    return new LocalNode({ address, addresses, jars: found.place, folder });
  });
  const server: KafkaServer = {
    nodes,
    url: (topic, parameters = `replication=${nodeCount}`) => {
      const hosts = nodes.map(({ host, port }) => `${host}:${port}`).join(",");
      return `kafka://${hosts}/${topic}?${parameters}`;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(nodes.map((node) => node.kill()));
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

interface Address {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly controllerPort: number;
}

class LocalNode implements KafkaNode {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly #address: Address;
  readonly #addresses: readonly Address[];
  readonly #jars: string;
  readonly #folder: string;
  #child: ChildProcess | null = null;

  constructor(options: {
    address: Address;
    addresses: readonly Address[];
    jars: string;
    folder: string;
  }) {
    this.#address = options.address;
    this.#addresses = options.addresses;
    this.#jars = options.jars;
    this.#folder = join(options.folder, String(options.address.id));
    this.id = options.address.id;
    this.host = options.address.host;
    this.port = options.address.port;
  }

  async start(): Promise<void> {
    const settings = join(this.#folder, "server.properties");
    if (!existsSync(settings)) {
      await mkdir(this.#folder);
      await writeFile(settings, this.#settings());
      const format = ["format", "-t", CLUSTER_ID, "-c", settings];
      await run("java", [...this.#javaOptions(), "kafka.tools.StorageTool", ...format]);
    }
    const child = spawn("java", [...this.#javaOptions(), "kafka.Kafka", settings], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let log = "";
    let isReady = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        log = (log + text).slice(-20_000);
        isReady ||= log.includes(READY_LINE);
      });
    }
    const title = `Kafka at ${this.host}:${this.port}`;
    const limits = { title, timeoutMs: READY_TIMEOUT_MS, log: () => log };
    try {
      await waitUntilReady(child, () => Promise.resolve(isReady), limits);
    } catch (error) {
      await endProcess(child, "SIGKILL");
      throw error;
    }
  }

  async kill(): Promise<void> {
    if (this.#child !== null) await endProcess(this.#child, "SIGKILL");
  }

  /** Small and quick to start: most of its time it has little to do. */
  #javaOptions(): string[] {
    const memory = ["-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
    const log = [`-Dlog4j2.configurationFile=${join(FILES, "log4j2.properties")}`];
    const quiet = ["-Dlog4j2.disable.jmx=true", "-Djava.net.preferIPv4Stack=true"];
    return [...memory, ...log, ...quiet, "-cp", join(this.#jars, "*")];
  }

  #settings(): string {
    const { id, host, port, controllerPort } = this.#address;
    const voters = this.#addresses.map((each) => `${each.id}@${each.host}:${each.controllerPort}`);
    const replication = this.#addresses.length;
    const settings = {
      "process.roles": "broker,controller",
      "node.id": id,
      "controller.quorum.voters": voters.join(","),
      listeners: `PLAINTEXT://${host}:${port},CONTROLLER://${host}:${controllerPort}`,
      "advertised.listeners": `PLAINTEXT://${host}:${port}`,
      "controller.listener.names": "CONTROLLER",
      "inter.broker.listener.name": "PLAINTEXT",
      "log.dirs": join(this.#folder, "log"),
      "auto.create.topics.enable": false,
      "offsets.topic.replication.factor": replication,
      "transaction.state.log.replication.factor": replication,
      "share.coordinator.state.topic.replication.factor": replication,
      // Its own times are for machines far apart: a dead broker is noticed after 9 s.
      "broker.heartbeat.interval.ms": 500,
      "broker.session.timeout.ms": 3_000,
      "controller.quorum.election.timeout.ms": 500,
      "controller.quorum.fetch.timeout.ms": 1_000,
      "replica.lag.time.max.ms": 4_000,
      "log.cleaner.dedupe.buffer.size": 4_194_304,
      "num.network.threads": 2,
      "num.io.threads": 4,
    };
    return Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join("");
  }
}

/** Named after the version, so that another one is fetched anew. */
async function jarFolder(): Promise<string> {
  const pom = await readFile(join(FILES, "pom.xml"), "utf8");
  const version = /<artifactId>kafka_[^<]*<\/artifactId>\s*<version>([^<]+)</.exec(pom)?.[1];
  return join(cacheFolder(), `kafka-${version}`);
}

function isInPath(program: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => existsSync(join(folder, program)));
}
