// SPDX-License-Identifier: Apache-2.0
/** The byte stream under a connection. A TLS socket fits; in tests, two arrays do. */
export interface StreamTransport {
  /** Where the bytes come from, for logs; tests and simulations have no addresses. */
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  write(bytes: Buffer): unknown;
  /** Bytes written that have not left the process. */
  readonly writableLength: number;
  /** Gathers writes until `uncork`, so that the answers to one chunk leave as one record. */
  cork(): void;
  uncork(): void;
  /** Closes when what was written is out. */
  destroySoon(): void;
  /** Closes when nothing moved for so long. Set only with the last word. */
  readonly setTimeout: (durationMs: number) => unknown;
  /** Closes now. */
  destroy(): void;
}
