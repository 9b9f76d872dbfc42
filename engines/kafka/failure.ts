// SPDX-License-Identifier: Apache-2.0
/** What the client's errors mean. */
import { GenericError, MultipleErrors } from "@platformatic/kafka";

/** Names of the protocol (kafka.apache.org/protocol, "Error Codes"). */
export type KafkaErrorName =
  | "OFFSET_OUT_OF_RANGE"
  | "UNKNOWN_TOPIC_OR_PARTITION"
  | "MESSAGE_TOO_LARGE"
  | "RECORD_LIST_TOO_LARGE"
  | "TOPIC_ALREADY_EXISTS"
  | "INVALID_REPLICATION_FACTOR"
  | "OUT_OF_ORDER_SEQUENCE_NUMBER"
  | "DUPLICATE_SEQUENCE_NUMBER"
  | "INVALID_PRODUCER_EPOCH"
  | "UNKNOWN_PRODUCER_ID";

export function isKafkaError(error: unknown, ...names: readonly KafkaErrorName[]): boolean {
  return names.some((name) => find(error, "apiId", name));
}

/** Trying again may help: a broker is away, a leader is being elected, a disk is full for now. */
export function isTransient(error: unknown): boolean {
  return isOfClient(error) && !find(error, "canRetry", false);
}

/** Nobody answered. */
export function isOfNetwork(error: unknown): boolean {
  return find(error, "code", "PLT_KFK_NETWORK") && isTransient(error);
}

/** Of the network or of a broker; anything else is a bug. */
export function isOfClient(error: unknown): error is GenericError | MultipleErrors {
  return error instanceof GenericError || error instanceof MultipleErrors;
}

/** The innermost sentences, each once, for a person. */
export function sentenceOf(error: unknown): string {
  const sentences = new Set<string>();
  collect(error, sentences, 0);
  return [...sentences].join("; ");
}

/** Deeper chains than the client makes. */
const MAX_DEPTH = 8;

function collect(error: unknown, sentences: Set<string>, depth: number): void {
  if (!(error instanceof Error) || depth > MAX_DEPTH) return;
  const inner = error instanceof AggregateError ? (error.errors as unknown[]) : [error.cause];
  const causes = inner.filter((cause) => cause instanceof Error);
  for (const cause of causes) collect(cause, sentences, depth + 1);
  if (causes.length > 0) return;
  const { serverErrorMessage } = error as { serverErrorMessage?: string | null };
  sentences.add((serverErrorMessage ?? error.message).replace(/\.$/, ""));
}

function find(error: unknown, property: string, value: unknown): boolean {
  if (error instanceof GenericError) return error.findBy(property, value) !== null;
  return error instanceof MultipleErrors && error.findBy(property, value) !== null;
}
