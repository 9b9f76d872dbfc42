// SPDX-License-Identifier: Apache-2.0
/** TLS sessions that are resumed: at which worker, until when, and by whom no more. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import type { RunningGateway } from "../../../gateway/options.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import type { TestDevice } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const KEYS_BYTES = 48;

/** Two workers that have listeners of their own, so that a device can choose. */
async function workers(
  context: TestContext,
): Promise<{ fixture: GatewayFixture; both: readonly [RunningGateway, RunningGateway] }> {
  const fixture = await GatewayFixture.start(context, { worker: 1 });
  const dataDirectory = fixture.folder.join("worker-2");
  const second = await fixture.startAnother({ worker: 2, dataDirectory });
  context.after(() => second.stop());
  return { fixture, both: [fixture.gateway, second] };
}

function useSameKeys(gateways: readonly RunningGateway[]): void {
  const keys = systemRandom.bytes(KEYS_BYTES);
  for (const gateway of gateways) gateway.useTicketKeys(keys);
}

async function ticketOf(device: TestDevice): Promise<Buffer> {
  await waitUntil("a ticket is there", () => device.tickets.length > 0);
  return device.tickets.at(-1) as Buffer;
}

/** Whether a handshake with this ticket resumes. */
async function isResumed(
  fixture: GatewayFixture,
  options: { port: number; session: Buffer },
): Promise<boolean> {
  const identity = await fixture.enrol("pump-1");
  const socket = connectTls({ host: "127.0.0.1", ...identity, ...options });
  try {
    await once(socket, "secureConnect");
    return socket.isSessionReused();
  } finally {
    socket.destroy();
  }
}

describe("TLS tickets", () => {
  test("are taken by the other worker, and by a new process with the same keys", async (t) => {
    const { fixture, both } = await workers(t);
    useSameKeys(both);
    const [first, second] = both;
    const session = await ticketOf(await fixture.connect("pump-1", { port: first.mqttsPort }));
    const device = await fixture.connect("pump-1", { port: second.mqttsPort, session });
    assert.equal(device.socket.isSessionReused(), true);
    assert.equal(device.connack?.reasonCode, ReasonCode.Success);
  });

  test("of workers with other keys mean a full handshake, and nothing worse", async (t) => {
    const { fixture, both } = await workers(t);
    const [first, second] = both;
    const session = await ticketOf(await fixture.connect("pump-1", { port: first.mqttsPort }));
    const device = await fixture.connect("pump-1", { port: second.mqttsPort, session });
    assert.equal(device.socket.isSessionReused(), false);
    assert.equal(device.connack?.reasonCode, ReasonCode.Success);
  });

  test("are void once there are new keys: a full handshake, and a new ticket", async (t) => {
    const { fixture, both } = await workers(t);
    useSameKeys(both);
    const [{ mqttsPort: port }] = both;
    const former = await ticketOf(await fixture.connect("pump-1"));
    useSameKeys(both);
    const device = await fixture.connect("pump-1", { port, session: former });
    assert.equal(device.socket.isSessionReused(), false);
    assert.equal(device.connack?.reasonCode, ReasonCode.Success);
    const session = await ticketOf(device);
    const again = await fixture.connect("pump-1", { port, session });
    assert.equal(again.socket.isSessionReused(), true);
  });

  test("are taken at the artifact port, too, under the same keys", async (t) => {
    const { fixture, both } = await workers(t);
    useSameKeys(both);
    const [{ artifactsPort: port }] = both;
    const session = await ticketOf(await fixture.connect("pump-1"));
    assert.equal(await isResumed(fixture, { port, session }), true);
    useSameKeys(both);
    assert.equal(await isResumed(fixture, { port, session }), false);
  });

  test("open no session once the certificate is revoked, at any worker", async (t) => {
    const { fixture, both } = await workers(t);
    useSameKeys(both);
    const session = await ticketOf(await fixture.connectGranted("pump-1"));
    const serialsOf = (): string[] =>
      fixture.center.saidOf("sessionOpen").flatMap((batch) => batch.certificateSerials);
    const [serial = ""] = serialsOf();
    assert.match(serial, /^[0-9a-f]{2,40}$/);
    fixture.center.revokedSerials.add(serial);
    for (const { mqttsPort: port } of both) {
      const announced = serialsOf().length;
      const device = await fixture.connect("pump-1", { port, session });
      assert.equal(device.socket.isSessionReused(), true);
      await waitUntil("it is refused", () => device.closeReason !== null);
      assert.deepEqual(serialsOf().slice(announced), [serial], "the center was asked again");
    }
  });
});
