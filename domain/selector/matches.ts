// SPDX-License-Identifier: Apache-2.0
/** Does a selector hold for a device? Pure, without allocation. */
import { unreachable } from "../assert.ts";
import type { DeviceFacts } from "../device.ts";
import type { Field, Selector } from "./parser.ts";

export type DevicePredicate = (device: DeviceFacts) => boolean;

/** Compiles a selector to a predicate, to be asked of many devices. */
export function compileSelector(selector: Selector): DevicePredicate {
  switch (selector.kind) {
    case "all":
      return () => true;
    case "and": {
      const parts = selector.parts.map(compileSelector);
      return (device) => parts.every((part) => part(device));
    }
    case "or": {
      const parts = selector.parts.map(compileSelector);
      return (device) => parts.some((part) => part(device));
    }
    case "not": {
      const part = compileSelector(selector.part);
      return (device) => !part(device);
    }
    case "in": {
      const values = new Set(selector.values);
      const read = reader(selector.field);
      return (device) => {
        const value = read(device);
        return value !== undefined && values.has(value);
      };
    }
    case "matches": {
      const { glob } = selector;
      const read = reader(selector.field);
      return (device) => {
        const value = read(device);
        return value !== undefined && matchesGlob(glob, value);
      };
    }
    case "exists": {
      const read = reader(selector.field);
      return (device) => (read(device) ?? "") !== "";
    }
    default:
      return unreachable(selector);
  }
}

function reader(field: Field): (device: DeviceFacts) => string | undefined {
  switch (field.of) {
    case "critical":
      return (device) => String(device.critical);
    case "label":
      return (device) => own(device.labels, field.name);
    case "inventory":
      return (device) => own(device.inventory, field.name);
    default: {
      const key = field.of;
      return (device) => device[key];
    }
  }
}

function own(record: { readonly [name: string]: string }, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/**
 * `*` any run, `?` one character (UTF-16 unit). Only the last `*` is ever taken back, so the work
 * is at most glob × value; as a regular expression, twenty stars would hold up the whole center.
 */
function matchesGlob(glob: string, value: string): boolean {
  let inGlob = 0;
  let inValue = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (inValue < value.length) {
    const wanted = glob[inGlob];
    if (wanted === "*") {
      starAt = inGlob++;
      resumeAt = inValue;
    } else if (wanted !== undefined && (wanted === "?" || wanted === value[inValue])) {
      inGlob++;
      inValue++;
    } else if (starAt !== -1) {
      inGlob = starAt + 1;
      inValue = ++resumeAt;
    } else {
      return false;
    }
  }
  while (glob[inGlob] === "*") inGlob++;
  return inGlob === glob.length;
}
