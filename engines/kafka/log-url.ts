// SPDX-License-Identifier: Apache-2.0
/**
 * What a URL says of an event log in Kafka:
 *
 *     kafka://HOST:PORT,HOST:PORT/TOPIC?partitions=4&replication=3&min-in-sync=2
 *     kafkas://USER@HOST:PORT/TOPIC?ca=FILE&sasl=scram-sha-512&password-file=FILE
 *
 * `kafkas` is TLS. The port is 9092 and the topic `muster-reports` unless the URL says otherwise.
 */
import { MusterError } from "../../domain/errors.ts";

export interface KafkaBroker {
  readonly host: string;
  readonly port: number;
}

export type SaslMechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

export interface KafkaLogUrl {
  /** Some of the cluster's brokers; they name the others. */
  readonly brokers: readonly KafkaBroker[];
  readonly topic: string;
  /** null: as many as the topic has, and 4 when it is made. */
  readonly partitionCount: number | null;
  /** Copies of each record, when the topic is made. */
  readonly replication: number;
  /** Copies that must be written before an append is durable, when the topic is made. */
  readonly minInSync: number;
  /** null: plain text. `caFile` null: the authorities of the system. */
  readonly tls: { readonly caFile: string | null } | null;
  readonly sasl: {
    readonly mechanism: SaslMechanism;
    readonly user: string;
    /** Of the URL; else that of the file. */
    readonly password: string;
    readonly passwordFile: string | null;
  } | null;
  /** Without credentials, for messages: `kafka://HOST:PORT/TOPIC`. */
  readonly shown: string;
}

const FORM = /^(kafkas?):\/\/(?:([^@/?]*)@)?([^@/?]+)(?:\/([^/?]*))?(?:\?(.*))?$/;
const DEFAULT_TOPIC = "muster-reports";
const DEFAULT_PORT = 9_092;
/** One may be away and one may be lost, and nothing that was acknowledged is. */
const DEFAULT_REPLICATION = 3;
const MAX_REPLICATION = 9;
/** Each is read by itself in every cycle of ingest, and has a connection of its own. */
export const MAX_PARTITIONS = 256;
const MECHANISMS: ReadonlyMap<string, SaslMechanism> = new Map([
  ["plain", "PLAIN"],
  ["scram-sha-256", "SCRAM-SHA-256"],
  ["scram-sha-512", "SCRAM-SHA-512"],
]);
const PARAMETERS: ReadonlySet<string> = new Set([
  "partitions",
  "replication",
  "min-in-sync",
  "ca",
  "sasl",
  "password-file",
]);

/** Throws `invalid_argument` that names what is wrong, never a password. */
export function parseKafkaLogUrl(text: string): KafkaLogUrl {
  const [, scheme, credentials, hosts = "", path = "", query = ""] = FORM.exec(text) ?? [];
  if (scheme === undefined) throw invalid("it is not of the form kafka://HOST:PORT,…/TOPIC");
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name)) {
      throw invalid(`there is no parameter ${name}, only ${[...PARAMETERS].join(", ")}`);
    }
  }
  const brokers = hosts.split(",").map(parseBroker);
  const topic = path === "" ? DEFAULT_TOPIC : path;
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(topic) || /^\.\.?$/.test(topic)) {
    throw invalid(`${topic} is no name of a topic: 1 to 249 of letters, digits, dot, _ and -`);
  }
  const replication =
    parseNumber(parameters, "replication", MAX_REPLICATION) ?? DEFAULT_REPLICATION;
  const minInSync =
    parseNumber(parameters, "min-in-sync", MAX_REPLICATION) ?? Math.max(1, replication - 1);
  if (minInSync > replication) {
    throw invalid(`min-in-sync=${minInSync} is more than replication=${replication}`);
  }
  return {
    brokers,
    topic,
    partitionCount: parseNumber(parameters, "partitions", MAX_PARTITIONS),
    replication,
    minInSync,
    tls: parseTls(scheme, parameters),
    sasl: parseSasl(credentials, parameters),
    shown: `${scheme}://${brokers.map(({ host, port }) => `${host}:${port}`).join(",")}/${topic}`,
  };
}

function parseBroker(text: string): KafkaBroker {
  const [, bracketed, plain, port] =
    /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw invalid(`${text} is not of the form HOST:PORT`);
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (number < 1 || number > 65_535) throw invalid(`${port} is no port: 1 to 65535`);
  return { host, port: number };
}

function parseNumber(parameters: URLSearchParams, name: string, most: number): number | null {
  const text = parameters.get(name);
  if (text === null) return null;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw invalid(`${name}=${text} is not a number from 1 to ${most}`);
  return value;
}

function parseTls(scheme: string, parameters: URLSearchParams): KafkaLogUrl["tls"] {
  const caFile = parameters.get("ca");
  if (scheme === "kafkas") return { caFile };
  if (caFile !== null) throw invalid("ca is for TLS: the scheme of that is kafkas");
  return null;
}

function parseSasl(
  credentials: string | undefined,
  parameters: URLSearchParams,
): KafkaLogUrl["sasl"] {
  const wanted = parameters.get("sasl");
  const passwordFile = parameters.get("password-file");
  if (credentials === undefined) {
    if (wanted === null && passwordFile === null) return null;
    throw invalid("sasl and password-file want a user: kafka://USER@HOST:PORT/TOPIC");
  }
  const mechanism = MECHANISMS.get(wanted ?? "scram-sha-512");
  if (mechanism === undefined) {
    throw invalid(`sasl=${wanted} is none of ${[...MECHANISMS.keys()].join(", ")}`);
  }
  const [user = "", ...password] = credentials.split(":");
  const isGiven = password.length > 0;
  if (isGiven === (passwordFile !== null)) {
    throw invalid("a user has a password: in the URL, or better in a password-file");
  }
  return {
    mechanism,
    user: decodeURIComponent(user),
    password: decodeURIComponent(password.join(":")),
    passwordFile,
  };
}

function invalid(problem: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `cannot read the URL of the event log: ${problem}`,
    detail: { hint: "as kafka://h1:9092,h2:9092/muster-reports?replication=3" },
  });
}
