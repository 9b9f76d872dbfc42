// SPDX-License-Identifier: Apache-2.0
/** The disk of the center: what is on it, how fast that grows, and when it is full. */
import { Code, ConnectError } from "@connectrpc/connect";
import { isMusterError } from "../../domain/errors.ts";
import type { GetStorageResponse } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "../client.ts";
import { formatBytes, formatElapsed, formatInstant } from "../output/units.ts";
import type { CheckResult } from "./check.ts";
import { FREE_FAIL_BYTES } from "./machine-checks.ts";

const DAY_MS = 86_400_000;
/** Time to order a disk. */
const WARN_MS: number = 30 * DAY_MS;
/** A weekend. */
const FAIL_MS: number = 3 * DAY_MS;

export interface StoragePart {
  readonly part: string;
  readonly bytes: number;
  /** null = not known yet. */
  readonly bytesPerDay: number | null;
}

/** Nothing of a center that does not measure its disk: an older one. */
export async function checkStorage(
  session: Pick<Session, "client" | "call">,
  nowMs: number,
): Promise<CheckResult[]> {
  try {
    return [judgeStorage(await session.client.getStorage({}, session.call), nowMs)];
  } catch (error) {
    const isOlder =
      isMusterError(error) && ConnectError.from(error.cause).code === Code.Unimplemented;
    if (isOlder) return [];
    throw error;
  }
}

export function judgeStorage(answer: GetStorageResponse, nowMs: number): CheckResult {
  const available = Number(answer.availableBytes);
  const fullAtMs = Number(answer.fullAtMs);
  const leftMs = fullAtMs === 0 ? Number.POSITIVE_INFINITY : fullAtMs - nowMs;
  const isNear = available < FREE_FAIL_BYTES || leftMs < FAIL_MS;
  const result = isNear ? "fail" : leftMs < WARN_MS ? "warn" : "ok";
  return {
    check: "center's disk",
    result,
    found: sentenceOf(answer, nowMs),
    advice: result === "ok" ? "" : adviceOf(answer),
    storage: {
      sampledAtMs: Number(answer.sampledAtMs),
      usedBytes: Number(answer.usedBytes),
      availableBytes: available,
      reusableBytes: Number(answer.reusableBytes),
      bytesPerDay: answer.windowMs === 0n ? null : Number(answer.bytesPerDay),
      windowMs: Number(answer.windowMs),
      fullAtMs: fullAtMs === 0 ? null : fullAtMs,
      retentionBytes: Number(answer.retentionBytes),
      retentionByMs: Number(answer.retentionByMs),
      parts: answer.parts.map((part) => ({ ...partOf(answer, part) })),
    },
  };
}

function partOf(
  answer: GetStorageResponse,
  { name, bytes, bytesPerDay }: GetStorageResponse["parts"][number],
): StoragePart {
  const growth = answer.windowMs === 0n ? null : Number(bytesPerDay);
  return { part: name, bytes: Number(bytes), bytesPerDay: growth };
}

function sentenceOf(answer: GetStorageResponse, nowMs: number): string {
  const free = `${formatBytes(Number(answer.availableBytes))} free`;
  if (answer.sampledAtMs === 0n) return `${free}; it has not been measured yet`;
  const used = `${formatBytes(Number(answer.usedBytes))} used, ${free}`;
  const freed =
    answer.retentionBytes === 0n
      ? ""
      : `; retention frees ${formatBytes(Number(answer.retentionBytes))} until ` +
        formatInstant(answer.retentionByMs);
  return `${used}; ${growthSentence(answer, nowMs)}${freed}`;
}

function growthSentence(answer: GetStorageResponse, nowMs: number): string {
  const fullAtMs = Number(answer.fullAtMs);
  if (fullAtMs !== 0 && fullAtMs <= nowMs) return "it is full";
  if (answer.windowMs === 0n) return "how fast it grows is known an hour after the start";
  const perDay = Number(answer.bytesPerDay);
  if (perDay <= 0) return `it has not grown in ${formatElapsed(Number(answer.windowMs))}`;
  const rate =
    `grows by ${formatBytes(perDay)} a day, ` +
    `measured over ${formatElapsed(Number(answer.windowMs))}`;
  if (fullAtMs === 0) return `${rate}, and lasts for ten years`;
  return `${rate}: full in ${formatElapsed(fullAtMs - nowMs)}, at ${formatInstant(fullAtMs)}`;
}

function adviceOf(answer: GetStorageResponse): string {
  const [largest] = answer.parts;
  const what = largest === undefined ? "" : `; most of it is ${largest.name}`;
  return `give the data folder a larger disk, or lower --keep-attempts of muster center${what}`;
}

/** The parts that a check found. */
export function partsOf({ storage }: CheckResult): StoragePart[] {
  if (storage === undefined) return [];
  return (storage as unknown as { readonly parts: StoragePart[] }).parts;
}

export function growthText(bytesPerDay: number | null): string {
  if (bytesPerDay === null) return "-";
  if (bytesPerDay < 0) return `-${formatBytes(-bytesPerDay)}`;
  return formatBytes(bytesPerDay);
}
