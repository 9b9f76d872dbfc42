// SPDX-License-Identifier: Apache-2.0
/** Messages as JSON, checked against their schema when they are read. */
import { isUtf8 } from "node:buffer";
import type { ZodType } from "zod";
import { DecodeFault, type Codec } from "./codec.ts";

export function jsonCodec<Message>(schema: ZodType<Message>): Codec<Message> {
  return {
    encode: (message) => Buffer.from(JSON.stringify(message), "utf8"),
    decode: (bytes) => {
      if (!isUtf8(bytes)) return new DecodeFault("it is not UTF-8");
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch {
        return new DecodeFault("it is not JSON");
      }
      const parsed = schema.safeParse(json);
      if (parsed.success) return parsed.data;
      const issues = parsed.error.issues;
      const { path, message } = issues[0] as (typeof issues)[number];
      const where = path.map(String).join(".");
      return new DecodeFault(`${where === "" ? "the message" : where}: ${message}`);
    },
  };
}
