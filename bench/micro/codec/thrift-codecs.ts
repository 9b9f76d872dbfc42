// SPDX-License-Identifier: Apache-2.0
/**
 * Thrift in its compact protocol, by the library's own protocol and transport. The calls are those
 * of the code that `thrift --gen js:node` writes, from a table of the fields.
 */
import { Int64, TBufferedTransport, TCompactProtocol, TFramedTransport, Thrift } from "thrift";
import type { Codec } from "../../../protocol/codec.ts";
import type { DeviceStatus, Tag } from "../../gen/muster/bench/v1/status_codec.ts";

type Kind = "bool" | "double" | "i32" | "i64" | "string";
type Fields<Message> = { readonly [field in keyof Message]: Kind };

const { BOOL, DOUBLE, I32, I64, STOP, STRING } = Thrift.Type;
const TYPES: { readonly [kind in Kind]: number } = {
  bool: BOOL,
  double: DOUBLE,
  i32: I32,
  i64: I64,
  string: STRING,
};

function codec<Message extends object>(name: string, fields: Fields<Message>): Codec<Message> {
  const list = Object.entries(fields) as [keyof Message & string, Kind][];
  return {
    encode: (message) => {
      let written: Buffer = Buffer.alloc(0);
      const transport = new TBufferedTransport(undefined, (bytes) => (written = bytes));
      const protocol = new TCompactProtocol(transport);
      protocol.writeStructBegin(name);
      for (const [index, [field, kind]] of list.entries()) {
        protocol.writeFieldBegin(field, TYPES[kind], index + 1);
        writeValue(protocol, kind, message[field]);
        protocol.writeFieldEnd();
      }
      protocol.writeFieldStop();
      protocol.writeStructEnd();
      protocol.flush();
      return written;
    },
    decode: (bytes) => {
      const protocol = new TCompactProtocol(new TFramedTransport(bytes as Buffer));
      const message: { [field: string]: unknown } = {};
      protocol.readStructBegin();
      for (;;) {
        const { ftype, fid } = protocol.readFieldBegin();
        if (ftype === STOP) break;
        const [field, kind] = list[fid - 1] ?? [];
        if (field === undefined || kind === undefined) protocol.skip(ftype);
        else message[field] = readValue(protocol, kind);
        protocol.readFieldEnd();
      }
      protocol.readStructEnd();
      return message as Message;
    },
  };
}

function writeValue(protocol: TCompactProtocol, kind: Kind, value: unknown): void {
  switch (kind) {
    case "bool":
      return protocol.writeBool(value as boolean);
    case "double":
      return protocol.writeDouble(value as number);
    case "i32":
      return protocol.writeI32(value as number);
    case "i64": {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeBigInt64BE(value as bigint);
      return protocol.writeI64(new Int64(bytes));
    }
    case "string":
      return protocol.writeString(value as string);
  }
}

function readValue(protocol: TCompactProtocol, kind: Kind): unknown {
  switch (kind) {
    case "bool":
      return protocol.readBool();
    case "double":
      return protocol.readDouble();
    case "i32":
      return protocol.readI32();
    case "i64": {
      const { buffer, offset } = protocol.readI64();
      return buffer.readBigInt64BE(offset);
    }
    case "string":
      return protocol.readString();
  }
}

export const thriftTags: Codec<Tag> = codec<Tag>("Tag", {
  id: "i64",
  name: "string",
  active: "bool",
});
export const thriftStatuses: Codec<DeviceStatus> = codec<DeviceStatus>("DeviceStatus", {
  id: "i64",
  device: "string",
  tenant: "string",
  region: "string",
  version: "string",
  generation: "i32",
  health: "i32",
  bootId: "i64",
  atMs: "i64",
  uptimeSeconds: "i32",
  load: "double",
  freeMemoryMib: "i32",
  temperature: "double",
  critical: "bool",
  freeDiskMib: "i32",
});
