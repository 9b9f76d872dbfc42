// SPDX-License-Identifier: Apache-2.0
/**
 * Bytes in, bytes out: what MQTT asks of a server, on a real gateway's insecure listener. The rows
 * of `docs/reference/mqtt.md` name these cases.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayFixture } from "./gateway-fixture.ts";
import { connect4, connect5, exchange, hex, packet, string } from "./mqtt-hex.ts";

const OWN = "muster/v1/default/pump-1";
const ID = string("pump-1");
const OPEN5 = connect5("02", ID);
const OPEN4 = connect4("02", ID);
/** Receive maximum 32, no retain, 64 KiB, neither subscription ids nor shared ones. */
const WELCOME5 = "201100000e2100202500270001000029002a00";
const WELCOME4 = "20020000";
const CONNACK_OF = (code: string): string => `200300${code}00`;
const DISCONNECT_OF = (code: string): string => `e001${code}`;

const HEARTBEAT = string(`${OWN}/up/heartbeat`);
const LOG = string(`${OWN}/up/log`);
const FOREIGN = string("muster/v1/default/pump-2/up/log");
const BEAT = hex('{"sequence":1,"slots":{}}');
const OFFERS = string(`${OWN}/down/offer`);
const ALL = string(`${OWN}/down/#`);
/** Not UTF-8: half a surrogate pair. */
const ILL = "0003eda080";

/** Columns: what, bytes from the device, bytes from the gateway, and what becomes of it. */
type Case = readonly [string, string, string, "open" | "closed"];

const CONNECT_CASES: readonly Case[] = [
  ["level 5 is welcome, on these terms", OPEN5, WELCOME5, "open"],
  ["level 4 is welcome", OPEN4, WELCOME4, "open"],
  ["a session is new without a clean start", connect5("00", ID), WELCOME5, "open"],
  ["a session is new without clean session", connect4("00", string("pump-2")), WELCOME4, "open"],
  [
    "a session that is to be kept for ever is kept for an hour",
    connect5("00", string("pump-3"), "0511ffffffff"),
    "20160000132100202500270001000029002a001100000e10",
    "open",
  ],
  ["bytes that are no CONNECT get no answer", "c000", "", "closed"],
  [
    "another protocol's name is refused",
    packet("10", `00044854545004020000${ID}`),
    "20020001",
    "closed",
  ],
  ["level 6 is refused", packet("10", `00044d5154540602000a00${ID}`), "20020001", "closed"],
  ["the reserved flag at level 5", connect5("03", ID), CONNACK_OF("81"), "closed"],
  ["the reserved flag at level 4 gets no answer", connect4("03", ID), "", "closed"],
  ["a will flag without will", connect5("06", ID), CONNACK_OF("81"), "closed"],
  ["a will flag without will at level 4", connect4("06", ID), "", "closed"],
  ["a user name flag without user name", connect4("82", ID), "", "closed"],
  ["an identifier that is not UTF-8", connect5("02", ILL), CONNACK_OF("81"), "closed"],
  ["a will topic that is not UTF-8", connect4("06", `${ID}${ILL}000178`), "", "closed"],
  ["a user name that is not UTF-8", connect4("82", `${ID}${ILL}`), "", "closed"],
  ["a will of QoS 2", connect5("16", `${ID}00${LOG}000178`), WELCOME5, "open"],
  ["a will to be retained", connect5("26", `${ID}00${LOG}000178`), CONNACK_OF("9a"), "closed"],
  [
    "a will for a foreign topic",
    connect5("06", `${ID}00${FOREIGN}000178`),
    CONNACK_OF("87"),
    "closed",
  ],
  ["level 4: a will is welcome", connect4("06", `${ID}${LOG}000178`), WELCOME4, "open"],
  [
    "level 4: a retained will is not retained",
    connect4("26", `${ID}${LOG}000178`),
    WELCOME4,
    "open",
  ],
  [
    "level 4: a will for a foreign topic",
    connect4("06", `${ID}${FOREIGN}000178`),
    "20020005",
    "closed",
  ],
  ["no identifier, and the session before", connect4("00", "0000"), "20020002", "closed"],
  ["an identifier that is no device's", connect4("02", string("a/b")), "20020002", "closed"],
  [
    "23 letters and digits are an identifier",
    connect4("02", string("0aZ".padEnd(23, "9"))),
    WELCOME4,
    "open",
  ],
  [
    "authentication by another method",
    connect5("02", ID, `04150001${hex("x")}`),
    CONNACK_OF("8c"),
    "closed",
  ],
  [
    "what follows a refused CONNECT is not read",
    `${connect4("02", string("a/b"))}c000`,
    "20020002",
    "closed",
  ],
  ["a second CONNECT", OPEN5 + OPEN5, WELCOME5 + DISCONNECT_OF("82"), "closed"],
  ["a second CONNECT at level 4", OPEN4 + OPEN4, WELCOME4, "closed"],
];

const PUBLISH_CASES: readonly Case[] = [
  ["QoS 0 is not answered", packet("30", `${HEARTBEAT}00${BEAT}`), "", "open"],
  [
    "QoS 1 is answered with its identifier",
    packet("32", `${HEARTBEAT}123400${BEAT}`),
    "40021234",
    "open",
  ],
  [
    "an identifier is free again after its PUBACK",
    packet("32", `${HEARTBEAT}000700${BEAT}`) + packet("3a", `${HEARTBEAT}000700${BEAT}`),
    "4002000740020007",
    "open",
  ],
  [
    "QoS 2 is answered with PUBREC and PUBCOMP",
    packet("34", `${HEARTBEAT}123400${BEAT}`) + "62021234",
    "5002123470021234",
    "open",
  ],
  [
    "a repeat of QoS 2 is answered again",
    packet("34", `${HEARTBEAT}000900${BEAT}`) + packet("3c", `${HEARTBEAT}000900${BEAT}`),
    "5002000950020009",
    "open",
  ],
  ["PUBREL of nothing is answered 0x92", "62020009", "7003000992", "open"],
  ["a foreign topic at QoS 2 is refused", packet("34", `${FOREIGN}000100`), "5003000187", "open"],
  [
    "QoS 2 that is refused leaves its identifier free",
    packet("34", `${FOREIGN}000100`) + "62020001",
    "50030001877003000192",
    "open",
  ],
  ["QoS 3 is malformed", packet("36", `${HEARTBEAT}000100${BEAT}`), DISCONNECT_OF("81"), "closed"],
  ["retain is refused", packet("31", `${HEARTBEAT}00${BEAT}`), DISCONNECT_OF("9a"), "closed"],
  [
    "an alias is refused",
    packet("30", `${HEARTBEAT}03230001${BEAT}`),
    DISCONNECT_OF("94"),
    "closed",
  ],
  ["a foreign topic is refused", packet("32", `${FOREIGN}000100`), "4003000187", "open"],
  [
    "a user property that is not UTF-8",
    packet("30", `${HEARTBEAT}0926${ILL}000178`),
    DISCONNECT_OF("81"),
    "closed",
  ],
  [
    "a content type that is not UTF-8",
    packet("30", `${HEARTBEAT}0603${ILL}`),
    DISCONNECT_OF("81"),
    "closed",
  ],
  [
    "a response topic that is not UTF-8",
    packet("30", `${HEARTBEAT}0608${ILL}`),
    DISCONNECT_OF("81"),
    "closed",
  ],
  ["a packet over 64 KiB, by its header", "3081800430", DISCONNECT_OF("95"), "closed"],
];

const OTHER_CASES: readonly Case[] = [
  [
    "a subscription is answered with its identifier",
    packet("82", `001100${OFFERS}01`),
    "900400110001",
    "open",
  ],
  ["QoS 2 is granted as QoS 1", packet("82", `001100${OFFERS}02`), "900400110001", "open"],
  [
    "filters are answered in their order",
    packet("82", `001200${OFFERS}01${string("a/#")}01${ALL}00`),
    "9006001200018700",
    "open",
  ],
  ["a filter that is not UTF-8", packet("82", `001100${ILL}01`), DISCONNECT_OF("81"), "closed"],
  [
    "a subscription identifier is refused",
    packet("82", `0011020b01${OFFERS}01`),
    DISCONNECT_OF("a1"),
    "closed",
  ],
  [
    "a subscription lasts as long as its connection",
    packet("82", `001100${OFFERS}01`) + "c000" + packet("a2", `001300${OFFERS}`),
    "900400110001d000b00400130000",
    "open",
  ],
  ["and not longer", packet("a2", `001300${OFFERS}`), "b00400130011", "open"],
  [
    "filters are given up in their order",
    packet("82", `001100${OFFERS}01`) + packet("a2", `001400${ALL}${OFFERS}`),
    "900400110001b0050014001100",
    "open",
  ],
  [
    "a filter to give up that is not UTF-8",
    packet("a2", `001300${ILL}`),
    DISCONNECT_OF("81"),
    "closed",
  ],
  ["PINGREQ is answered", "c000", "d000", "open"],
  ["an acknowledgement of nothing is passed over", "40020009", "", "open"],
  ["PUBREC without QoS 2", "50020009", DISCONNECT_OF("82"), "closed"],
  ["PUBCOMP without QoS 2", "70020009", DISCONNECT_OF("82"), "closed"],
  ["AUTH without a method", "f000", DISCONNECT_OF("82"), "closed"],
  ["flags in DISCONNECT", "e100", DISCONNECT_OF("81"), "closed"],
  ["DISCONNECT is the end", "e000c000", "", "closed"],
];

const LEVEL_4_CASES: readonly Case[] = [
  ["level 4: QoS 1 is answered", packet("32", `${HEARTBEAT}1234${BEAT}`), "40021234", "open"],
  ["level 4: a foreign topic closes", packet("32", `${FOREIGN}0001`), "", "closed"],
  [
    "level 4: QoS 2 is answered",
    packet("34", `${HEARTBEAT}1234${BEAT}`) + "62021234",
    "5002123470021234",
    "open",
  ],
  ["level 4: PUBREL of nothing is answered", "62020009", "70020009", "open"],
  ["level 4: retain is dropped from the message", packet("31", HEARTBEAT + BEAT), "", "open"],
  [
    "level 4: a foreign filter fails with 0x80",
    packet("82", `0012${OFFERS}02${string("a/#")}01`),
    "900400120180",
    "open",
  ],
  ["level 4: UNSUBACK has its identifier alone", packet("a2", `0013${OFFERS}`), "b0020013", "open"],
  ["level 4: a malformed packet closes", "4202000a", "", "closed"],
];

const ALL_CASES: readonly Case[] = [
  ...CONNECT_CASES,
  ...[...PUBLISH_CASES, ...OTHER_CASES].map(([what, sent, said, end]): Case => [
    what,
    OPEN5 + sent,
    WELCOME5 + said,
    end,
  ]),
  ...LEVEL_4_CASES.map(([what, sent, said, end]): Case => [
    what,
    OPEN4 + sent,
    WELCOME4 + said,
    end,
  ]),
];

test("bytes in, bytes out", async (context) => {
  const fixture = await GatewayFixture.start(context, { insecureMqttPort: 0 });
  for (const device of ["pump-1", "pump-2", "pump-3"]) await fixture.enrol(device);
  const port = fixture.gateway.insecureMqttPort ?? 0;
  for (const [what, sent, said, end] of ALL_CASES) {
    await context.test(what, async () => {
      // The answer to a ping behind it shows that the connection goes on.
      if (end === "closed") assert.equal(await exchange(port, sent, null), said);
      else assert.equal(await exchange(port, `${sent}c000`, `${said}d000`), `${said}d000`);
    });
  }
});
