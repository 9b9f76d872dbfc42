// SPDX-License-Identifier: Apache-2.0
/**
 * The inside of a TCP socket of Node, past its streams, where most of what a small message costs a
 * gateway goes (docs/adr/0024): bytes come in one buffer that all connections share, and a packet
 * goes to the kernel at once.
 *
 * Node offers such reads to clients (`onread`) and not to servers, and such writes to nobody. So
 * this leans on undocumented fields, where they were tested: elsewhere `isDirect` says no, and
 * whoever asked uses the stream.
 */
import type { Socket } from "node:net";
import { isTestedRuntime } from "./tested-runtime.ts";

/** As much as Node's own sockets read at once. */
const READ_BYTES = 65_536;

const shared = Buffer.alloc(READ_BYTES);

/** A write that the kernel has not taken whole. */
export interface LateWrite {
  /** Called at its end; below 0: it failed. */
  oncomplete: (status: number) => void;
  /** Not null: it ended before `oncomplete` was set. */
  readonly writeStatus: number | null;
}

/** `StreamBase`, as lib/internal/stream_base_commons.js uses it. */
interface Handle {
  useUserBuffer(buffer: Uint8Array): void;
  writeLatin1String(request: null, text: string): number | LateWrite;
}

interface Insides extends Socket {
  readonly _handle: Handle | null;
  [field: symbol]: unknown;
}

/** Whether the functions below may be used with `socket`. */
export function isDirect(socket: Socket): boolean {
  const { _handle: handle } = socket as Insides;
  return isTestedRuntime() && handle !== null;
}

/**
 * From now on `onBytes` gets what `socket` receives, what it has buffered first; the bytes are
 * overwritten when it returns. `end` and `close` come as ever. Nobody else may read the socket.
 */
export function readDirectly(socket: Socket, onBytes: (this: Socket, bytes: Buffer) => void): void {
  const insides = socket as Insides;
  insides[fieldOf(socket, "kBuffer")] = shared;
  insides[fieldOf(socket, "kBufferCb")] = readerOf(onBytes);
  insides._handle?.useUserBuffer(shared);
  const already = socket.read() as Buffer | null;
  if (already !== null) onBytes.call(socket, already);
  socket.resume();
}

/**
 * Gives `bytes`, which may be used again afterwards, to the kernel. Null: it has them all, or the
 * socket is gone. Nothing may wait in the socket's stream.
 */
export function writeDirectly(socket: Socket, bytes: Buffer): LateWrite | null {
  const { _handle: handle } = socket as Insides;
  if (handle === null) return null;
  // Of a string, what the kernel does not take is copied; of a buffer it is not.
  const result = handle.writeLatin1String(null, bytes.toString("latin1"));
  if (typeof result !== "number") return result;
  if (result < 0) socket.destroy();
  return null;
}

type Reader = (this: Socket, byteCount: number) => void;

/** One for all sockets of a listener: a closure a connection is memory. */
const readers = new WeakMap<(this: Socket, bytes: Buffer) => void, Reader>();

function readerOf(onBytes: (this: Socket, bytes: Buffer) => void): Reader {
  let reader = readers.get(onBytes);
  if (reader === undefined) {
    reader = function (byteCount): void {
      onBytes.call(this, shared.subarray(0, byteCount));
    };
    readers.set(onBytes, reader);
  }
  return reader;
}

/** Symbols that Node keeps to itself, by their name. */
const fields = new Map<string, symbol>();

function fieldOf(socket: Socket, name: string): symbol {
  let field = fields.get(name);
  if (field === undefined) {
    field = Object.getOwnPropertySymbols(socket).find((each) => each.description === name);
    if (field === undefined) throw new Error(`Node ${process.version} has no ${name} in a socket`);
    fields.set(name, field);
  }
  return field;
}
