// SPDX-License-Identifier: Apache-2.0
/** A Codec made of what scripts/protoc-gen-codec.ts generates for a message. */
import { DecodeFault, type Codec } from "../codec.ts";
import { ProtobufReader } from "./protobuf-reader.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

export interface ProtobufFunctions<Message> {
  readonly read: (reader: ProtobufReader) => Message;
  readonly write: (writer: ProtobufWriter, message: Message) => void;
}

export function protobufCodec<Message>(functions: ProtobufFunctions<Message>): Codec<Message> {
  const { read, write } = functions;
  const reader = new ProtobufReader();
  const writer = new ProtobufWriter();
  return {
    encode: (message) => {
      writer.begin();
      write(writer, message);
      return writer.finish();
    },
    decode: (bytes) => {
      reader.begin(bytes);
      const message = read(reader);
      reader.finish();
      return reader.fault === null ? message : new DecodeFault(reader.fault);
    },
  };
}
