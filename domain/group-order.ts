// SPDX-License-Identifier: Apache-2.0
/**
 * The order of a plan whose devices move together: a group has the place of its label's value, and
 * is critical when one of its devices is. Kept as columns by device, as the planner keeps the rest.
 */
import type { DeviceFacts } from "./device.ts";
import { MusterError } from "./errors.ts";
import { MAX_GROUP_DEVICES } from "./groups.ts";

interface Group {
  readonly value: string;
  readonly place: number;
  deviceCount: number;
  last: number;
}

export class GroupOrder {
  private readonly label: string;
  private readonly placeOf: (text: string) => number;
  private readonly groups = new Map<string, Group>();
  private readonly members: Group[] = [];

  /** `placeOf`: as devices are placed, by hash. */
  constructor(label: string, placeOf: (text: string) => number) {
    this.label = label;
    this.placeOf = placeOf;
  }

  /** Throws `failed_precondition` when its group is larger than a group may be. */
  add({ id, labels }: DeviceFacts, last: number): void {
    const value = Object.hasOwn(labels, this.label) ? labels[this.label] : undefined;
    // No value of a label has a line break: the device is on its own.
    const key = value ?? `\n${id}`;
    let group = this.groups.get(key);
    if (group === undefined) {
      group = { value: key, place: this.placeOf(value ?? id), deviceCount: 0, last: 0 };
      this.groups.set(key, group);
    }
    group.deviceCount++;
    group.last = Math.max(group.last, last);
    if (group.deviceCount > MAX_GROUP_DEVICES) throw tooLarge(this.label, group);
    this.members.push(group);
  }

  /** Negative: the group of `a` comes first; 0 = they are of one group. By index of adding. */
  compare(a: number, b: number): number {
    const [left, right] = [this.members[a], this.members[b]];
    if (left === right || left === undefined || right === undefined) return 0;
    const byPlace = left.last - right.last || left.place - right.place;
    return byPlace || (left.value < right.value ? -1 : 1);
  }

  isLast(index: number): boolean {
    return this.members[index]?.last === 1;
  }
}

function tooLarge(label: string, { value }: Group): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message:
      `more than ${MAX_GROUP_DEVICES} devices have the label ${label}=${value}, ` +
      "and would have to move together",
    detail: { field: "spec.together", hint: "name a label that fewer devices share" },
  });
}
