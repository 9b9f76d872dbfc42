// SPDX-License-Identifier: Apache-2.0
/**
 * The topic: made as the URL says, and checked when it is there. Records stay until they are
 * trimmed, not for a time: a center that was away for a month finds what gateways acknowledged.
 */
import { ConfigResourceTypes, createTopicsV7, describeConfigsV4 } from "@platformatic/kafka";
import { MusterError } from "../../domain/errors.ts";
import type { Logger } from "../../ports/logger.ts";
import type { KafkaCluster, Topology } from "./cluster.ts";
import { isKafkaError, isOfClient, sentenceOf } from "./failure.ts";
import { MAX_PARTITIONS, type KafkaLogUrl } from "./log-url.ts";
import { MAX_BATCH_BYTES } from "./partition-appender.ts";

/** Those of the embedded log, for its reason: a gateway's batch becomes a record in each. */
const DEFAULT_PARTITIONS = 4;
/** Brokers that start together with a center are given this long. */
const OPEN_MS = 20_000;
const CREATE_TIMEOUT_MS = 10_000;
/** What is trimmed frees the disk when its segment is full; Kafka's own gibibyte takes long. */
const SEGMENT_BYTES: number = 64 * 2 ** 20;
const TOPIC_BATCH_BYTES: number = 2 * 2 ** 20;

/** Throws `unavailable`; `failed_precondition` when the topic is not as it must be. */
export async function openTopic(
  cluster: KafkaCluster,
  options: { logger: Logger; signal: AbortSignal },
): Promise<Topology> {
  const { url } = cluster;
  const { logger, signal } = options;
  const topology = await cluster.attempt("open", { forMs: OPEN_MS, signal }, async () => {
    const found = (await findTopic(cluster)) ?? (await makeTopic(cluster, logger));
    if (found.leaders.every((leader) => leader !== null)) return found;
    throw new MusterError({ code: "unavailable", message: "a partition has no leader" });
  });
  const count = topology.leaders.length;
  if (url.partitionCount !== null && url.partitionCount !== count) {
    throw unfit(url, `has ${count} partitions, not ${url.partitionCount}`, {
      hint: `say partitions=${count}, or name another topic: partitions are fixed at creation`,
    });
  }
  if (count > MAX_PARTITIONS) throw unfit(url, `has ${count} partitions, over ${MAX_PARTITIONS}`);
  cluster.expectTopic(topology.topicId);
  await checkSettings(cluster, topology, options);
  return topology;
}

async function findTopic(cluster: KafkaCluster): Promise<Topology | null> {
  cluster.forgetTopology();
  try {
    return await cluster.topology();
  } catch (error) {
    if (isKafkaError(error, "UNKNOWN_TOPIC_OR_PARTITION")) return null;
    throw error;
  }
}

async function makeTopic(cluster: KafkaCluster, logger: Logger): Promise<Topology> {
  const { url } = cluster;
  const settings = {
    "min.insync.replicas": url.minInSync,
    "unclean.leader.election.enable": false,
    "cleanup.policy": "delete",
    "retention.ms": -1,
    "retention.bytes": -1,
    "max.message.bytes": TOPIC_BATCH_BYTES,
    "segment.bytes": SEGMENT_BYTES,
    // A single copy is durable when it is on the disk; several are when several machines have it.
    ...(url.minInSync === 1 ? { "flush.messages": 1 } : {}),
  };
  const topic = {
    name: url.topic,
    numPartitions: url.partitionCount ?? DEFAULT_PARTITIONS,
    replicationFactor: url.replication,
    assignments: [],
    configs: Object.entries(settings).map(([name, value]) => ({ name, value: String(value) })),
  };
  try {
    const connection = await cluster.anyConnection();
    await createTopicsV7.api.async(connection, [topic], CREATE_TIMEOUT_MS, false);
    const { numPartitions: partitions, replicationFactor: replication } = topic;
    logger.info("made the topic of the event log", { topic: url.shown, partitions, replication });
  } catch (error) {
    if (isKafkaError(error, "INVALID_REPLICATION_FACTOR")) {
      throw unfit(url, `cannot be made with replication=${url.replication}`, {
        cause: error,
        hint: "start more brokers, or lower replication in the URL (1: a lost disk loses reports)",
      });
    }
    if (!isKafkaError(error, "TOPIC_ALREADY_EXISTS")) throw error;
  }
  return await cluster.topology();
}

async function checkSettings(
  cluster: KafkaCluster,
  topology: Topology,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const { url } = cluster;
  const settings = await cluster.attempt("open", { forMs: OPEN_MS, signal }, async () => {
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: url.topic };
    const connection = await cluster.anyConnection();
    try {
      const response = await describeConfigsV4.api.async(connection, [resource], false, false);
      const configs = response.results[0]?.configs ?? [];
      return new Map(configs.map(({ name, value }) => [name, value ?? ""]));
    } catch (error) {
      if (!isOfClient(error) || !/AUTHORIZATION_FAILED/.test(JSON.stringify(error))) throw error;
      const facts = { topic: url.shown, reason: sentenceOf(error) };
      logger.warn("the settings of the topic of the event log may not be read", facts);
      return null;
    }
  });
  if (settings === null) return;
  const policy = settings.get("cleanup.policy") ?? "";
  if (policy.includes("compact")) throw unfit(url, "is compacted: it would forget reports");
  const batchBytes = Number(settings.get("max.message.bytes"));
  if (batchBytes < MAX_BATCH_BYTES) {
    throw unfit(url, `has max.message.bytes=${batchBytes}`, {
      hint: `set it to ${MAX_BATCH_BYTES} or more: a batch of reports may be that long`,
    });
  }
  const minInSync = Number(settings.get("min.insync.replicas"));
  const facts = { topic: url.shown, replication: topology.replication, minInSync };
  if (minInSync === 1 && settings.get("flush.messages") !== "1") {
    logger.warn("reports in the event log may be lost with one broker, though acknowledged", facts);
  }
  const isTimed = settings.get("retention.ms") !== "-1" || settings.get("retention.bytes") !== "-1";
  if (isTimed) {
    logger.warn("the topic of the event log deletes records that may not have been read", facts);
  }
}

function unfit(
  url: KafkaLogUrl,
  problem: string,
  options: { hint?: string; cause?: unknown } = {},
): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message: `cannot use ${url.shown} as the event log: the topic ${problem}`,
    ...(options.cause === undefined ? {} : { cause: options.cause }),
    detail: options.hint === undefined ? {} : { hint: options.hint },
  });
}
