// SPDX-License-Identifier: Apache-2.0
/**
 * The two CoAP listeners, put together from their layers: one pipeline, in which only the step
 * "authenticate" and the protection of answers differ.
 */
import { deviceKey } from "../../sessions/session-table.ts";
import { BodyAssembler } from "./body-assembler.ts";
import { CoapColumns } from "./coap-columns.ts";
import type { CoapContext } from "./coap-context.ts";
import type { CoapPeers } from "./coap-peers.ts";
import { CoapSessions, type SessionCredentials } from "./coap-sessions.ts";
import { ConfirmableSender } from "./confirmable-sender.ts";
import { DeviceResources } from "./device-resources.ts";
import { EchoValues } from "./echo-values.ts";
import { ExchangeCache } from "./exchange-cache.ts";
import { KeyFetcher, type FetchContexts } from "./key-fetcher.ts";
import { KeyTable, ROW_LIFETIME_MS } from "./key-table.ts";
import { MessageLayer } from "./message-layer.ts";
import { OscorePeers } from "./oscore-peers.ts";
import { OscoreSealer } from "./oscore-sealer.ts";
import { PlainPeers } from "./plain-peers.ts";
import { RefusedDevices } from "./refused-devices.ts";
import { ReplyWriter } from "./reply-writer.ts";
import { OPEN_SEALER, type Sealer } from "./sealer.ts";
import type { Source } from "./source.ts";

/** Everything above the socket. */
export interface CoapListener {
  receive(datagram: Buffer, source: Source): void;
  /** Begins no further session; the ones there are stay. */
  stopAccepting(): void;
  stop(): void;
}

export type Transmit = (bytes: Buffer, to: Source) => void;

/** What makes a listener one or the other. */
interface Protection {
  readonly sealer: Sealer;
  readonly credentials: SessionCredentials;
  readonly echo: EchoValues;
  readonly makePeers: (writer: ReplyWriter) => CoapPeers;
}

/** Before the center was asked, a request comes in with its keys; then it goes on here. */
interface BuiltListener extends CoapListener {
  readonly layer: MessageLayer;
  readonly sessions: CoapSessions;
}

/** The listener on which devices are who they say. */
export function insecureListener(context: CoapContext, transmit: Transmit): CoapListener {
  const { table } = context;
  const echo = new EchoValues(context);
  return buildListener(context, transmit, {
    echo,
    sealer: OPEN_SEALER,
    credentials: {
      credentialOf: () => "",
      slotOf: ({ tenant, device }) => table.slotOfDevice(deviceKey(tenant, device)),
      sessionOpened: () => {},
      sessionEnded: () => {},
    },
    makePeers: (writer) => new PlainPeers({ echo, writer }),
  });
}

export interface OscoreListenerOptions {
  readonly context: CoapContext;
  readonly transmit: Transmit;
  readonly fetchContexts: FetchContexts;
}

/** The listener of devices with OSCORE keys. */
export function oscoreListener(options: OscoreListenerOptions): CoapListener {
  const { context, transmit, fetchContexts } = options;
  const { table, clock } = context;
  const keys = new KeyTable({ maxRows: rowsFor(table.maxSlots), seed: seedOf(context) });
  const nameOf = (row: number): string => {
    const slot = keys.slotOf(row);
    return slot === -1 ? (keys.nameOf(row) ?? "") : table.device(slot);
  };
  const source: KeyFetcher = new KeyFetcher({
    ...context,
    keys,
    fetch: fetchContexts,
    onKeys: ({ message, source: from, receivedBytes }) =>
      listener.layer.request(message, from, receivedBytes),
    onChanged: (row) => {
      if (keys.slotOf(row) !== -1) table.link(keys.slotOf(row)).close("taken-over");
    },
  });
  const echo = new EchoValues(context);
  const listener = buildListener(context, transmit, {
    echo,
    sealer: new OscoreSealer({ keys, onFewNumbers: (row) => source.refill(row) }),
    credentials: {
      credentialOf: (row) => oscoreCredential(keys.senderIdOf(row)),
      slotOf: ({ keyRow }) => keys.slotOf(keyRow),
      sessionOpened: (row, slot) => keys.sessionOpened(row, slot),
      sessionEnded: (row, name) => keys.sessionEnded(row, name),
    },
    makePeers: (writer) => new OscorePeers({ ...context, keys, source, echo, writer, nameOf }),
  });
  const sweep = (): void => {
    keys.sweep(clock.monotonicMs());
    cancelSweep = clock.setTimer(ROW_LIFETIME_MS / 4, sweep);
  };
  let cancelSweep = clock.setTimer(ROW_LIFETIME_MS / 4, sweep);
  return {
    ...listener,
    stop: () => {
      cancelSweep();
      source.stop();
      listener.stop();
    },
  };
}

/** As a session with these keys is announced to the center, in place of a certificate's serial. */
export function oscoreCredential(senderId: Buffer): string {
  return `oscore:${senderId.toString("hex")}`;
}

/** Devices that are about to have a session, or had one, have keys as well. */
function rowsFor(maxSlots: number): number {
  return Math.ceil(maxSlots * 1.25) + 1_024;
}

function seedOf({ random }: CoapContext): number {
  return Math.floor(random.next() * 0x1_0000_0000);
}

function buildListener(
  context: CoapContext,
  transmit: Transmit,
  protection: Protection,
): BuiltListener {
  const { lifecycle } = context;
  const shared = {
    ...context,
    ...protection,
    transmit,
    exchanges: new ExchangeCache({ seed: seedOf(context) }),
    refused: new RefusedDevices(),
    columns: new CoapColumns(),
  };
  const sender = new ConfirmableSender({ ...shared, onIdle: (slot) => lifecycle.ready(slot) });
  const writer = new ReplyWriter(shared);
  const sessions = new CoapSessions({ ...shared, sender });
  const bodies = new BodyAssembler(context);
  const resources = new DeviceResources({ ...shared, sessions, bodies, writer });
  const peers = protection.makePeers(writer);
  const layer = new MessageLayer({ ...shared, peers, resources, sender });
  return {
    layer,
    sessions,
    receive: (datagram, source) => layer.receive(datagram, source),
    stopAccepting: () => resources.stopAccepting(),
    stop: () => sender.stop(),
  };
}
