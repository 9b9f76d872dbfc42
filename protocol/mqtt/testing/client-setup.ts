// SPDX-License-Identifier: Apache-2.0
/** Client sessions for tests, new or open, with the server at their other end. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { MqttClientOptions } from "../client-options.ts";
import { MqttClientSession } from "../client.ts";
import type { ProtocolLevel } from "../packet-type.ts";
import type { ConnackFields } from "../packets.ts";
import { ManualClock, ScriptedServer } from "./scripted-server.ts";

export const CONNECT = { clientId: "d1", cleanStart: true, keepAliveSeconds: 20 } as const;
export const HI: Buffer = Buffer.from("hi");
/** The signal of those who wait for ever. */
export const NEVER: AbortSignal = new AbortController().signal;

export interface Setup {
  readonly session: MqttClientSession;
  readonly server: ScriptedServer;
  readonly clock: ManualClock;
}

export function setUp(
  level: ProtocolLevel = 5,
  onPublish: MqttClientOptions["onPublish"] = () => undefined,
): Setup {
  const server = new ScriptedServer(level);
  const clock = new ManualClock();
  const session = new MqttClientSession({
    transport: server.clientSide,
    clock,
    protocolLevel: level,
    onPublish,
  });
  return { session, server, clock };
}

export async function open(
  options: {
    level?: ProtocolLevel;
    onPublish?: MqttClientOptions["onPublish"];
    connack?: Partial<ConnackFields>;
  } = {},
): Promise<Setup> {
  const setup = setUp(options.level, options.onPublish);
  const connecting = setup.session.connect(CONNECT, NEVER);
  await setup.server.accept(options.connack);
  assert.equal((await connecting).kind, "accepted");
  return setup;
}

/** Waits for `condition`, at most a thousand turns of the event loop: nothing here needs more. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    assert.ok(turns < 1_000, "the condition never came true");
    await turn();
  }
}
