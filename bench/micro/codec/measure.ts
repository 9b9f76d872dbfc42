// SPDX-License-Identifier: Apache-2.0
/**
 * Round trips of random messages through codecs, taken in turns, so that whatever else the machine
 * does meets all of them. What is counted is CPU time of this process, the garbage collector's
 * threads included: wall time on a shared machine says how busy the others are. Young garbage is
 * collected before each count, so that nobody pays for that of another; all of it would throw
 * compiled code away as well.
 */
import { isDeepStrictEqual } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { SeededRandom } from "../../../domain/seeded-random.ts";
import { isFault, type Codec } from "../../../protocol/codec.ts";

export interface Subject<Message> {
  readonly case: string;
  readonly draw: (random: SeededRandom) => Message;
  readonly codecs: { readonly [name: string]: Codec<Message> };
}

export interface Measured {
  readonly codec: string;
  /** Medians, for all messages of a round. */
  readonly encodeMs: number;
  readonly decodeMs: number;
  readonly roundTripMs: number;
  /** Of one message. */
  readonly meanBytes: number;
}

interface Counts {
  readonly encodeMs: number[];
  readonly decodeMs: number[];
  readonly roundTripMs: number[];
  byteCount: number;
}

export interface MeasureOptions {
  readonly random: SeededRandom;
  /** Round trips of a round. */
  readonly messageCount: number;
  readonly rounds: number;
  /** Not counted: until the code is compiled. */
  readonly warmUpRounds: number;
}

/** Throws when what was read is not what was written, in any round. */
export function measureCodecs<Message extends object>(
  subject: Subject<Message>,
  options: MeasureOptions,
): Measured[] {
  const { random, messageCount, rounds, warmUpRounds } = options;
  const names = Object.keys(subject.codecs);
  const counts = new Map<string, Counts>(
    names.map((name) => [name, { encodeMs: [], decodeMs: [], roundTripMs: [], byteCount: 0 }]),
  );
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    const messages = Array.from({ length: messageCount }, () => subject.draw(random));
    for (const name of random.shuffle(names)) {
      const counted = runRound(subject.codecs[name] as Codec<Message>, messages);
      check(`${subject.case} through ${name}`, messages, counted.decoded);
      const sums = counts.get(name);
      if (round < 0 || sums === undefined) continue;
      sums.encodeMs.push(counted.encodeMs);
      sums.decodeMs.push(counted.decodeMs);
      sums.roundTripMs.push(counted.roundTripMs);
      sums.byteCount += counted.byteCount;
    }
  }
  return [...counts].map(([codec, { encodeMs, decodeMs, roundTripMs, byteCount }]) => ({
    codec,
    encodeMs: median(encodeMs),
    decodeMs: median(decodeMs),
    roundTripMs: median(roundTripMs),
    meanBytes: byteCount / (messageCount * rounds),
  }));
}

function runRound<Message>(
  codec: Codec<Message>,
  messages: readonly Message[],
): Omit<Counts, keyof Measured> & {
  readonly encodeMs: number;
  readonly decodeMs: number;
  readonly roundTripMs: number;
  readonly byteCount: number;
  readonly decoded: readonly unknown[];
} {
  const encoded: Uint8Array[] = [];
  const encodeMs = cpuMs(() => {
    for (const message of messages) encoded.push(codec.encode(message));
  });
  const apart: unknown[] = [];
  const decodeMs = cpuMs(() => {
    for (const bytes of encoded) apart.push(codec.decode(bytes));
  });
  const decoded: unknown[] = [];
  const roundTripMs = cpuMs(() => {
    for (const message of messages) decoded.push(codec.decode(codec.encode(message)));
  });
  const byteCount = encoded.reduce((sum, { length }) => sum + length, 0);
  return { encodeMs, decodeMs, roundTripMs, byteCount, decoded };
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as (options: { type: "minor" }) => void;

function cpuMs(work: () => void): number {
  collectGarbage({ type: "minor" });
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function check(what: string, messages: readonly object[], decoded: readonly unknown[]): void {
  messages.forEach((message, index) => {
    const read = decoded[index];
    if (!isFault(read) && isDeepStrictEqual(plain(read), plain(message))) return;
    throw new Error(`${what}: message ${index} is not read as it was written`);
  });
}

/** Without what a library adds of its own: a prototype, the name of the type. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !name.startsWith("$"))
      .map(([name, field]) => [name, plain(field)]),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
