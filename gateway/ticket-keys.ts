// SPDX-License-Identifier: Apache-2.0
/**
 * The keys that protect TLS session tickets, drawn here and drawn anew each day. Whoever has them
 * takes any ticket that was given under them: all workers of a gateway, and those that replace
 * them, have the same ones, so that a device resumes wherever it comes back (docs/adr/0033).
 *
 * RFC 5077 §5.5 asks for keys that serve nothing else and change regularly; a ticket may live for
 * seven days at most (RFC 8446 §4.6.1), and ours do for an hour. A day keeps what a stolen key
 * opens small, and costs a device one full handshake a day: Node takes one set of keys, so that
 * tickets under the former ones are refused, and the handshake that carries one becomes a full one.
 */
import type { CancelTimer, Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";

/** Name, HMAC and AES keys, 16 bytes each, as Node's `setTicketKeys` takes them. */
const TICKET_KEYS_BYTES = 48;
export const TICKET_KEYS_LIFETIME_MS: number = 24 * 3_600_000;

/** Takes ticket keys, in place of those it had. */
export interface TicketKeysUser {
  useTicketKeys(keys: Uint8Array): void;
}

export interface TicketKeysOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly user: TicketKeysUser;
}

/** Draws keys now, and again whenever they are a day old. Returns what ends that. */
export function rotateTicketKeys({ clock, random, user }: TicketKeysOptions): CancelTimer {
  let cancel: CancelTimer;
  const rotate = (): void => {
    user.useTicketKeys(random.bytes(TICKET_KEYS_BYTES));
    cancel = clock.setTimer(TICKET_KEYS_LIFETIME_MS, rotate);
  };
  rotate();
  return () => cancel();
}
