// SPDX-License-Identifier: Apache-2.0
/**
 * API messages as plain data for `-o json` and `-o yaml`. The form is a contract with scripts:
 * every field is always there, names in camelCase as in the .proto, 64-bit integers as numbers
 * (milliseconds and bytes stay far below 2^53), enumerations as lower-case words ("rolling-back";
 * "" for unspecified), bytes as base64, an unset message or optional field as null, a oneof as
 * the one field it
 * holds.
 *
 * Not protobuf's own JSON: that leaves out zeros and prints 64-bit integers as text.
 */
import type { DescEnum, DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { Json } from "../../ports/store.ts";

/** The message as plain data. */
export function toPlainData<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Json {
  return messageToPlain(reflect(schema, message));
}

/** The word of an enumeration's value: `ROLLOUT_STATE_ROLLING_BACK` is "rolling-back". */
export function enumWord(schema: DescEnum, value: number): string {
  const name = schema.value[value]?.name;
  if (name === undefined) return `unknown-${value}`;
  const prefix = schema.sharedPrefix ?? "";
  const word = name.toLowerCase().startsWith(prefix) ? name.slice(prefix.length) : name;
  return word === "UNSPECIFIED" ? "" : word.toLowerCase().replaceAll("_", "-");
}

function messageToPlain(message: ReflectMessage): Json {
  const plain: { [name: string]: Json } = {};
  for (const field of message.fields) {
    if (field.oneof !== undefined && !message.isSet(field)) continue;
    plain[field.localName] = fieldToPlain(message, field);
  }
  return plain;
}

function fieldToPlain(message: ReflectMessage, field: DescField): Json {
  switch (field.fieldKind) {
    case "message":
      return message.isSet(field) ? messageToPlain(message.get(field)) : null;
    case "enum":
      return enumWord(field.enum, message.get(field));
    case "scalar":
      if (isOptional(field) && !message.isSet(field)) return null;
      return scalarToPlain(message.get(field));
    case "list":
      return [...message.get(field)].map((item) => itemToPlain(field, item));
    case "map":
      return Object.fromEntries(
        [...message.get(field)]
          .map(([key, item]): [string, Json] => [String(key), itemToPlain(field, item)])
          .sort(([left], [right]) => (left < right ? -1 : 1)),
      );
  }
}

/** "Not set" and zero are two things for it. */
function isOptional(field: DescField): boolean {
  return field.presence === FeatureSet_FieldPresence.EXPLICIT;
}

function itemToPlain(field: DescField & { fieldKind: "list" | "map" }, item: unknown): Json {
  const kind = field.fieldKind === "list" ? field.listKind : field.mapKind;
  if (kind === "message") return messageToPlain(item as ReflectMessage);
  if (kind === "enum" && field.enum !== undefined) return enumWord(field.enum, item as number);
  return scalarToPlain(item);
}

function scalarToPlain(value: unknown): Json {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value as string | number | boolean;
}
