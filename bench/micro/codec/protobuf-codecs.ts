// SPDX-License-Identifier: Apache-2.0
/** Ours, as it is generated for heartbeats too, and the library beside it. */
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { Codec } from "../../../protocol/codec.ts";
import { protobufCodec } from "../../../protocol/protobuf/protobuf-codec.ts";
import {
  readDeviceStatus,
  readTag,
  writeDeviceStatus,
  writeTag,
  type DeviceStatus,
  type Tag,
} from "../../gen/muster/bench/v1/status_codec.ts";
import { DeviceStatusSchema, TagSchema } from "../../gen/muster/bench/v1/status_pb.ts";

export const protobufTags: Codec<Tag> = protobufCodec({ read: readTag, write: writeTag });
export const protobufStatuses: Codec<DeviceStatus> = protobufCodec({
  read: readDeviceStatus,
  write: writeDeviceStatus,
});

export const libraryTags: Codec<Tag> = {
  encode: (tag) => toBinary(TagSchema, create(TagSchema, tag)),
  decode: (bytes) => fromBinary(TagSchema, bytes),
};
export const libraryStatuses: Codec<DeviceStatus> = {
  encode: (status) =>
    toBinary(
      DeviceStatusSchema,
      create(DeviceStatusSchema, status as MessageInitShape<typeof DeviceStatusSchema>),
    ),
  decode: (bytes) => fromBinary(DeviceStatusSchema, bytes),
};
