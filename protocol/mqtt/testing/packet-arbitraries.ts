// SPDX-License-Identifier: Apache-2.0
/** Arbitrary packets that a peer may send, for property tests: the whole range of every field. */
import fc from "fast-check";
import { PacketType, type ProtocolLevel, type QoS } from "../packet-type.ts";
import type { Packet, RetainHandling } from "../packets.ts";
import { type Properties, PROPERTY_TABLE, type PropertyKind, WILL_CARRIER } from "../properties.ts";
import { isReasonCodeOf, ReasonCode } from "../reason-codes.ts";

const text: fc.Arbitrary<string> = fc
  .string({ unit: "binary", maxLength: 12 })
  .filter((value) => value.isWellFormed() && !value.includes("\0"));
const bytes: fc.Arbitrary<Buffer> = fc
  .uint8Array({ maxLength: 24 })
  .map((value) => Buffer.from(value));
const level: fc.Arbitrary<string> = text.map((value) => value.replaceAll(/[/+#$]/g, "x"));
const topic: fc.Arbitrary<string> = fc
  .array(level, { minLength: 1, maxLength: 6 })
  .map((levels) => levels.join("/"))
  .filter((value) => value.length > 0);
const filter: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 5 }),
    fc.constantFrom("", "/#", "/+"),
  )
  .map(([levels, ending]) => levels.join("/") + ending)
  .filter((value) => value.length > 0);
const packetId: fc.Arbitrary<number> = fc.integer({ min: 1, max: 0xffff });
const qos: fc.Arbitrary<QoS> = fc.constantFrom<QoS>(0, 1, 2);

const VALUES: Readonly<Record<PropertyKind, fc.Arbitrary<unknown>>> = {
  boolean: fc.boolean(),
  uint8: fc.constantFrom(0, 1),
  // From 1, for that is where most of them start.
  uint16: fc.integer({ min: 1, max: 0xffff }),
  uint32: fc.integer({ min: 1, max: 0xffff_ffff }),
  variableIntegers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), {
    minLength: 1,
    maxLength: 1,
  }),
  string: text,
  binary: bytes,
  stringPairs: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }),
};

/** Any set of the properties that `carrier` may have; undefined for none. */
function properties(
  carrier: number,
  without: readonly (keyof Properties)[] = [],
): fc.Arbitrary<Properties | undefined> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const { name, kind, carriers } of PROPERTY_TABLE) {
    if (((carriers >> carrier) & 1) === 0 || without.includes(name)) continue;
    model[name] = name === "responseTopic" ? topic : VALUES[kind];
  }
  return fc.record(model, { requiredKeys: [], noNullPrototype: true }).map((record) => {
    if (record["authenticationMethod"] === undefined) delete record["authenticationData"];
    return Object.keys(record).length === 0 ? undefined : record;
  });
}

function reasonCode(type: PacketType): fc.Arbitrary<ReasonCode> {
  return fc.constantFrom(...Object.values(ReasonCode).filter((code) => isReasonCodeOf(type, code)));
}

const none = fc.constant(undefined);

function connect(level: ProtocolLevel): fc.Arbitrary<Packet> {
  const is5 = level === 5;
  const will = fc.record(
    {
      topic,
      payload: bytes,
      qos,
      retain: fc.boolean(),
      properties: is5 ? properties(WILL_CARRIER) : none,
    },
    { noNullPrototype: true },
  );
  return fc
    .record(
      {
        type: fc.constant(PacketType.Connect),
        protocolLevel: fc.constant(level),
        clientId: text,
        cleanStart: fc.boolean(),
        keepAliveSeconds: fc.integer({ min: 0, max: 0xffff }),
        will: fc.option(will, { nil: undefined }),
        username: fc.option(text, { nil: undefined }),
        password: fc.option(bytes, { nil: undefined }),
        properties: is5 ? properties(PacketType.Connect) : none,
      },
      { noNullPrototype: true },
    )
    .filter(
      (packet) =>
        is5 ||
        ((packet.username !== undefined || packet.password === undefined) &&
          (packet.clientId !== "" || packet.cleanStart)),
    );
}

function connack(level: ProtocolLevel): fc.Arbitrary<Packet> {
  const { UnsupportedProtocolVersion, ClientIdentifierNotValid, ServerUnavailable } = ReasonCode;
  const codes4 = [
    ReasonCode.Success,
    UnsupportedProtocolVersion,
    ClientIdentifierNotValid,
    ServerUnavailable,
    ReasonCode.BadUserNameOrPassword,
    ReasonCode.NotAuthorized,
  ];
  return fc
    .record(
      {
        type: fc.constant(PacketType.Connack),
        sessionPresent: fc.boolean(),
        reasonCode: level === 5 ? reasonCode(PacketType.Connack) : fc.constantFrom(...codes4),
        properties: level === 5 ? properties(PacketType.Connack) : none,
      },
      { noNullPrototype: true },
    )
    .map((packet) => ({
      ...packet,
      sessionPresent: packet.sessionPresent && packet.reasonCode === 0,
    }));
}

function publish(level: ProtocolLevel, receiver: "server" | "client"): fc.Arbitrary<Packet> {
  const without = receiver === "server" ? (["subscriptionIdentifiers"] as const) : [];
  return fc
    .record(
      {
        type: fc.constant(PacketType.Publish),
        topic,
        payload: bytes,
        qos,
        retain: fc.boolean(),
        dup: fc.boolean(),
        packetId,
        properties: level === 5 ? properties(PacketType.Publish, without) : none,
      },
      { noNullPrototype: true },
    )
    .map((packet) => (packet.qos === 0 ? { ...packet, dup: false, packetId: 0 } : packet));
}

function acknowledgement(level: ProtocolLevel): fc.Arbitrary<Packet> {
  const { Puback, Pubrec, Pubrel, Pubcomp } = PacketType;
  return fc.constantFrom(Puback, Pubrec, Pubrel, Pubcomp).chain((type) =>
    fc.record(
      {
        type: fc.constant(type),
        packetId,
        reasonCode: level === 5 ? reasonCode(type) : fc.constant(ReasonCode.Success),
        properties: level === 5 ? properties(type) : none,
      },
      { noNullPrototype: true },
    ),
  );
}

function subscribe(level: ProtocolLevel): fc.Arbitrary<Packet> {
  const is5 = level === 5;
  const no = fc.constant(false);
  const subscription = fc.record(
    {
      filter,
      qos,
      noLocal: is5 ? fc.boolean() : no,
      retainAsPublished: is5 ? fc.boolean() : no,
      retainHandling: is5
        ? fc.constantFrom<RetainHandling>(0, 1, 2)
        : fc.constant<RetainHandling>(0),
    },
    { noNullPrototype: true },
  );
  return fc.record(
    {
      type: fc.constant(PacketType.Subscribe),
      packetId,
      subscriptions: fc.array(subscription, { minLength: 1, maxLength: 4 }),
      properties: is5 ? properties(PacketType.Subscribe) : none,
    },
    { noNullPrototype: true },
  );
}

function unsubscribe(level: ProtocolLevel): fc.Arbitrary<Packet> {
  return fc.record(
    {
      type: fc.constant(PacketType.Unsubscribe),
      packetId,
      filters: fc.array(filter, { minLength: 1, maxLength: 4 }),
      properties: level === 5 ? properties(PacketType.Unsubscribe) : none,
    },
    { noNullPrototype: true },
  );
}

function answer(
  level: ProtocolLevel,
  type: typeof PacketType.Suback | typeof PacketType.Unsuback,
): fc.Arbitrary<Packet> {
  const codes =
    level === 5 ? reasonCode(type) : fc.constantFrom<ReasonCode>(0x00, 0x01, 0x02, 0x80);
  const count = level === 4 && type === PacketType.Unsuback ? 0 : 4;
  return fc.record(
    {
      type: fc.constant(type),
      packetId,
      reasonCodes: fc.array(codes, { minLength: Math.min(count, 1), maxLength: count }),
      properties: level === 5 ? properties(type) : none,
    },
    { noNullPrototype: true },
  );
}

function disconnect(level: ProtocolLevel, receiver: "server" | "client"): fc.Arbitrary<Packet> {
  const without = receiver === "client" ? (["sessionExpiryIntervalSeconds"] as const) : [];
  return fc.record(
    {
      type: fc.constant(PacketType.Disconnect),
      reasonCode: level === 5 ? reasonCode(PacketType.Disconnect) : fc.constant(ReasonCode.Success),
      properties: level === 5 ? properties(PacketType.Disconnect, without) : none,
    },
    { noNullPrototype: true },
  );
}

const auth: fc.Arbitrary<Packet> = fc
  .tuple(reasonCode(PacketType.Auth), properties(PacketType.Auth), text)
  .map(([code, optional, authenticationMethod]) => ({
    type: PacketType.Auth,
    reasonCode: code,
    properties: { ...optional, authenticationMethod },
  }));

/** Any packet that `receiver` may get at `level`. */
export function packetArbitrary(
  level: ProtocolLevel,
  receiver: "server" | "client",
): fc.Arbitrary<Packet> {
  const both = [publish(level, receiver), publish(level, receiver), acknowledgement(level)];
  if (level === 5) both.push(auth);
  if (receiver === "server") {
    const ping = fc.constant<Packet>({ type: PacketType.Pingreq });
    const requests = [connect(level), subscribe(level), unsubscribe(level), ping];
    return fc.oneof(...both, ...requests, disconnect(level, receiver));
  }
  const ping = fc.constant<Packet>({ type: PacketType.Pingresp });
  const answers = [answer(level, PacketType.Suback), answer(level, PacketType.Unsuback)];
  const farewell = level === 5 ? [disconnect(level, receiver)] : [];
  return fc.oneof(...both, connack(level), ...answers, ping, ...farewell);
}
