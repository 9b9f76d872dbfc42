// SPDX-License-Identifier: Apache-2.0
/** Avro by avsc, which compiles a schema to code; its `long` as a bigint, or ids would be lost. */
import avro from "avsc";
import type { Codec } from "../../../protocol/codec.ts";
import type { DeviceStatus, Tag } from "../../gen/muster/bench/v1/status_codec.ts";

const long = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (one: bigint, other: bigint) => (one < other ? -1 : Number(one > other)),
});

function codec<Message>(
  name: string,
  fields: { readonly [field: string]: string },
): Codec<Message> {
  const type = avro.Type.forSchema(
    {
      type: "record",
      name,
      fields: Object.entries(fields).map(([field, kind]) => ({ name: field, type: kind })),
    },
    { registry: { long }, omitRecordMethods: true },
  );
  return {
    encode: (message) => type.toBuffer(message),
    decode: (bytes) => type.fromBuffer(bytes as Buffer) as Message,
  };
}

export const avroTags: Codec<Tag> = codec("Tag", { id: "long", name: "string", active: "boolean" });
export const avroStatuses: Codec<DeviceStatus> = codec("DeviceStatus", {
  id: "long",
  device: "string",
  tenant: "string",
  region: "string",
  version: "string",
  generation: "int",
  health: "int",
  bootId: "long",
  atMs: "long",
  uptimeSeconds: "int",
  load: "double",
  freeMemoryMib: "int",
  temperature: "double",
  critical: "boolean",
  freeDiskMib: "int",
});
