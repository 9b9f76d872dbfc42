// SPDX-License-Identifier: Apache-2.0
/** Encodes the property section of MQTT 5.0 (§2.2.2), in the order of the keys of the object. */
import assert from "node:assert/strict";
import {
  binaryBytes,
  type PacketWriter,
  stringBytes,
  variableIntegerBytes,
} from "./packet-writer.ts";
import type { ProtocolLevel } from "./packet-type.ts";
import {
  type Properties,
  PROPERTY_BY_NAME,
  type PropertyDefinition,
  type PropertyKind,
  type UserProperties,
} from "./properties.ts";

/** True when the encoder would write at least one property. */
export function hasProperties(properties: Properties | undefined): boolean {
  return properties !== undefined && sectionBytes(properties) > 0;
}

/** Bytes of the whole section with its length; none at level 4. */
export function propertiesBytes(level: ProtocolLevel, properties: Properties | undefined): number {
  if (level === 4) return 0;
  if (properties === undefined) return 1;
  const byteCount = sectionBytes(properties);
  return variableIntegerBytes(byteCount) + byteCount;
}

/** `carrier` is the packet type, or `WILL_CARRIER`. Nothing at level 4. */
export function writeProperties(
  writer: PacketWriter,
  level: ProtocolLevel,
  properties: Properties | undefined,
  carrier: number,
): void {
  if (level === 4) return;
  if (properties === undefined) return writer.uint8(0);
  writer.variableInteger(sectionBytes(properties));
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    const definition = definitionOf(name);
    const isAllowed = ((definition.carriers >> carrier) & 1) === 1;
    assert(isAllowed, `property ${name} does not belong in this packet`);
    writeProperty(writer, definition, value);
  }
}

function sectionBytes(properties: Properties): number {
  let byteCount = 0;
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) byteCount += propertyBytes(definitionOf(name).kind, value);
  }
  return byteCount;
}

function definitionOf(name: string): PropertyDefinition {
  const definition = PROPERTY_BY_NAME.get(name);
  assert(definition !== undefined, `there is no MQTT property ${name}`);
  return definition;
}

/** With the byte of its identifier. */
function propertyBytes(kind: PropertyKind, value: unknown): number {
  switch (kind) {
    case "boolean":
    case "uint8":
      return 2;
    case "uint16":
      return 3;
    case "uint32":
      return 5;
    case "string":
      return 1 + stringBytes(value as string);
    case "binary":
      return 1 + binaryBytes(value as Uint8Array);
    case "variableIntegers":
      return sum(value as readonly number[], (identifier) => 1 + variableIntegerBytes(identifier));
    case "stringPairs":
      return sum(value as UserProperties, ([name, text]) => {
        return 1 + stringBytes(name) + stringBytes(text);
      });
  }
}

function sum<Item>(items: readonly Item[], bytesOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + bytesOf(item), 0);
}

function writeProperty(writer: PacketWriter, definition: PropertyDefinition, value: unknown): void {
  if (definition.kind === "variableIntegers") {
    for (const identifier of value as readonly number[]) {
      assert(identifier > 0, "a subscription identifier must not be 0");
      writer.uint8(definition.id);
      writer.variableInteger(identifier);
    }
    return;
  }
  if (definition.kind === "stringPairs") {
    for (const [name, text] of value as UserProperties) {
      writer.uint8(definition.id);
      writer.string(name);
      writer.string(text);
    }
    return;
  }
  writer.uint8(definition.id);
  writeSingleValue(writer, definition.kind, value);
}

function writeSingleValue(writer: PacketWriter, kind: PropertyKind, value: unknown): void {
  if (kind === "boolean") writer.uint8(value === true ? 1 : 0);
  else if (kind === "uint8") writer.uint8(value as number);
  else if (kind === "uint16") writer.uint16(value as number);
  else if (kind === "uint32") writer.uint32(value as number);
  else if (kind === "string") writer.string(value as string);
  else writer.binary(value as Uint8Array);
}
