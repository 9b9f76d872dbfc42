// SPDX-License-Identifier: Apache-2.0
/**
 * Two connections of one session, bytes in and bytes out, on a real gateway's insecure listener.
 * The rows of `docs/reference/mqtt.md` name these cases.
 */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { GatewayFixture } from "./gateway-fixture.ts";
import { connect4, connect5, exchange, hex, packet, string } from "./mqtt-hex.ts";
import { waitUntil } from "./wait-until.ts";

const OWN = "muster/v1/default/pump-1";
const ID = string("pump-1");
const MINUTE = "05110000003c";
const KEPT5 = connect5("00", ID, MINUTE);
const KEPT4 = connect4("00", ID);
/** The CONNACK of a session that is new, and of one that was there. */
const TERMS = "0e2100202500270001000029002a00";
const NEW5 = `20110000${TERMS}`;
const PRESENT5 = `20110100${TERMS}`;
const NEW4 = "20020000";
const PRESENT4 = "20020100";
/** A 3.1.1 client's session is kept for the most; at 5.0 the client asks for a minute. */
const OFFERS = string(`${OWN}/down/offer`);
const HEARTBEAT = string(`${OWN}/up/heartbeat`);
const BEAT = hex('{"sequence":1,"slots":{}}');

const SUBSCRIBE5 = packet("82", `001100${OFFERS}01`);
const SUBSCRIBE4 = packet("82", `0011${OFFERS}01`);
const UNSUBSCRIBE5 = packet("a2", `001200${OFFERS}`);
const TWICE = packet("34", `${HEARTBEAT}000100${BEAT}`);

/** Columns: what, and of two connections bytes from the device and from the gateway. */
type Case = readonly [string, string, string, string, string];

const CASES: readonly Case[] = [
  [
    "a subscription lasts over connections",
    KEPT5 + SUBSCRIBE5,
    `${NEW5}900400110001`,
    KEPT5 + UNSUBSCRIBE5,
    `${PRESENT5}b00400120000`,
  ],
  [
    "not over a clean start",
    KEPT5 + SUBSCRIBE5,
    `${NEW5}900400110001`,
    connect5("02", ID, MINUTE) + UNSUBSCRIBE5,
    `${NEW5}b00400120011`,
  ],
  [
    "nor without a session expiry",
    connect5("00", ID) + SUBSCRIBE5,
    `${NEW5}900400110001`,
    KEPT5 + UNSUBSCRIBE5,
    `${NEW5}b00400120011`,
  ],
  [
    "an identifier of QoS 2 is known over connections",
    KEPT5 + TWICE,
    `${NEW5}50020001`,
    `${KEPT5}${TWICE}62020001`,
    `${PRESENT5}5002000170020001`,
  ],
  [
    "level 4: a session without clean session is there again",
    KEPT4 + SUBSCRIBE4,
    `${NEW4}9003001101`,
    KEPT4,
    PRESENT4,
  ],
  [
    "level 4: not with clean session",
    KEPT4 + SUBSCRIBE4,
    `${NEW4}9003001101`,
    connect4("02", ID),
    NEW4,
  ],
];

async function start(context: TestContext): Promise<{ fixture: GatewayFixture; port: number }> {
  const fixture = await GatewayFixture.start(context, { insecureMqttPort: 0 });
  await fixture.enrol("pump-1");
  return { fixture, port: fixture.gateway.insecureMqttPort ?? 0 };
}

/** Subscribes, hears an offer and loses its connection without a word. */
async function loseOffer(fixture: GatewayFixture, port: number): Promise<string> {
  const expected = `${NEW5}900400110001`;
  const lost = exchange(port, KEPT5 + SUBSCRIBE5, `${expected}${offerOf("32")}`);
  await waitUntil("it is announced", () =>
    fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes("pump-1")),
  );
  fixture.offer("pump-1");
  const said = await lost;
  await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
  return said.slice(expected.length);
}

/** PUBLISH of the offer with the first packet id; `first` has its flags. */
const offerOf = (first: string): string => packet(first, `${OFFERS}000100${hex('{"offer":7}')}`);

describe("a session over two connections", () => {
  test("bytes in, bytes out", async (context) => {
    const { port, fixture } = await start(context);
    for (const [what, sent, said, sentThen, saidThen] of CASES) {
      await context.test(what, async () => {
        const away = async (): Promise<void> =>
          waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
        assert.equal(await exchange(port, sent, said), said);
        await away();
        assert.equal(await exchange(port, `${sentThen}c000`, `${saidThen}d000`), `${saidThen}d000`);
        await away();
        await exchange(port, connect5("02", ID), NEW5); // Nothing is left for the next case.
        await away();
      });
    }
  });

  test("what was not acknowledged comes again, as a repeat", async (context) => {
    const { fixture, port } = await start(context);
    assert.equal(await loseOffer(fixture, port), offerOf("32"));
    const repeated = `${PRESENT5}${offerOf("3a")}`;
    assert.equal(await exchange(port, KEPT5, repeated), repeated);
    await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
    const acknowledged = `${repeated}d000`;
    assert.equal(await exchange(port, `${KEPT5}40020001c000`, acknowledged), acknowledged);
    await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
    assert.equal(await exchange(port, `${KEPT5}c000`, `${PRESENT5}d000`), `${PRESENT5}d000`);
    assert.deepEqual(fixture.center.saidOf("leaseReturn"), [], "the device may still answer");
  });

  test("what was stopped meanwhile does not come again", async (context) => {
    const { fixture, port } = await start(context);
    await loseOffer(fixture, port);
    const value = { $typeName: "muster.v1.StopEpoch", rollout: 1, stopEpoch: 2n } as const;
    fixture.center.send({ case: "stopEpoch", value });
    await waitUntil("the stop is acknowledged", () =>
      fixture.center.saidOf("stopAcknowledgement").some(({ stopEpoch }) => stopEpoch === 2n),
    );
    const returned = fixture.center.saidOf("leaseReturn").map(({ sent }) => sent);
    assert.deepEqual(returned, [[true]], "the center knows before the device is back");
    assert.equal(await exchange(port, `${KEPT5}c000`, `${PRESENT5}d000`), `${PRESENT5}d000`);
  });

  test("what waits for a device goes back when its session has expired", async (context) => {
    const { fixture, port } = await start(context);
    const second = connect5("00", ID, "051100000001");
    const opened = exchange(port, second + SUBSCRIBE5, `${NEW5}900400110001${offerOf("32")}`);
    await waitUntil("it is announced", () =>
      fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes("pump-1")),
    );
    fixture.offer("pump-1");
    await opened;
    await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
    fixture.offer("pump-1", 8);
    await waitUntil("both are back", () => fixture.center.saidOf("leaseReturn").length === 2);
    const returns = fixture.center.saidOf("leaseReturn");
    assert.deepEqual(
      returns.map(({ leaseId, sent }) => [leaseId, sent]),
      [
        ["l-1", [true]],
        ["l-2", [false]],
      ],
    );
    assert.equal(await exchange(port, KEPT5, NEW5), NEW5);
  });
});
