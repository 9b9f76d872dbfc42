// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { PacketType } from "./packet-type.ts";
import { PROPERTY_TABLE } from "./properties.ts";
import {
  isReasonCodeOf,
  ReasonCode,
  reasonCodeName,
  reasonCodeOfReturnCode,
  returnCodeOfReasonCode,
  subackCode,
} from "./reason-codes.ts";

type Codes = Readonly<Record<string, string>>;
/** The tables of another implementation, as a second opinion on ours. */
const peer = createRequire(import.meta.url)("mqtt-packet/constants.js") as Readonly<
  Record<`MQTT5_${string}_CODES`, Codes> & { properties: Readonly<Record<string, number>> }
>;
const allCodes = Array.from({ length: 256 }, (_, code) => code);

describe("reason codes", () => {
  test("are those that mqtt-packet knows for each packet", () => {
    const tables = [
      [PacketType.Puback, peer.MQTT5_PUBACK_PUBREC_CODES],
      [PacketType.Pubrec, peer.MQTT5_PUBACK_PUBREC_CODES],
      [PacketType.Pubrel, peer.MQTT5_PUBREL_PUBCOMP_CODES],
      [PacketType.Pubcomp, peer.MQTT5_PUBREL_PUBCOMP_CODES],
      [PacketType.Suback, peer.MQTT5_SUBACK_CODES],
      [PacketType.Unsuback, peer.MQTT5_UNSUBACK_CODES],
      [PacketType.Disconnect, peer.MQTT5_DISCONNECT_CODES],
      [PacketType.Auth, peer.MQTT5_AUTH_CODES],
    ] as const;
    for (const [type, table] of tables) {
      const ours = allCodes.filter((code) => isReasonCodeOf(type, code));
      assert.deepEqual(ours.map(String), Object.keys(table ?? {}), `packet type ${type}`);
    }
  });

  test("are none for packets without reason code, nor beyond a byte", () => {
    for (const type of [PacketType.Connect, PacketType.Publish, PacketType.Pingreq]) {
      assert.deepEqual(
        allCodes.filter((code) => isReasonCodeOf(type, code)),
        [],
      );
    }
    assert.equal(isReasonCodeOf(PacketType.Puback, 256), false);
  });

  test("all belong to some packet", () => {
    for (const [name, code] of Object.entries(ReasonCode)) {
      const types = Object.values(PacketType).filter((type) => isReasonCodeOf(type, code));
      assert.notDeepEqual(types, [], name);
    }
  });

  test("have names for people", () => {
    assert.equal(reasonCodeName(ReasonCode.NotAuthorized), "NotAuthorized");
    assert.equal(reasonCodeName(0x0e), "0x0e");
  });
});

describe("return codes of MQTT 3.1.1", () => {
  test("translate to a reason code and back", () => {
    for (let returnCode = 0; returnCode <= 5; returnCode++) {
      const reasonCode = reasonCodeOfReturnCode(returnCode);
      assert.ok(reasonCode !== null);
      assert.equal(returnCodeOfReasonCode(reasonCode), returnCode);
    }
    assert.equal(reasonCodeOfReturnCode(6), null);
  });

  test("say come again for what they cannot say, never for a ban", () => {
    assert.equal(returnCodeOfReasonCode(ReasonCode.ServerBusy), 3);
    assert.equal(returnCodeOfReasonCode(ReasonCode.UseAnotherServer), 3);
    assert.equal(returnCodeOfReasonCode(ReasonCode.Banned), 5);
  });

  test("have one failure in SUBACK", () => {
    assert.equal(subackCode(4, ReasonCode.TopicFilterInvalid), 0x80);
    assert.equal(subackCode(4, ReasonCode.GrantedQos1), 1);
    assert.equal(subackCode(5, ReasonCode.TopicFilterInvalid), 0x8f);
  });
});

test("property identifiers are those that mqtt-packet knows", () => {
  const ours = PROPERTY_TABLE.map(({ id }) => id);
  const theirs = Object.values(peer.properties).sort((a, b) => a - b);
  assert.deepEqual(ours, theirs);
});
