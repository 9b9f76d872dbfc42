// SPDX-License-Identifier: Apache-2.0
/**
 * A port as one life sees it. Each change is a place to crash, before it is made or after: then the
 * caller never gets an answer. A change may fail too, as a full or broken disk makes it fail. What
 * a dead life asks for is neither done nor answered.
 *
 * Points are named `{role}.{port}.{method}.before` and `.after`; a change that names its own points
 * (`point`: Files) passes those, with `.middle` before anything is in place.
 */
import { never, type Life } from "./life.ts";

export interface MortalOptions {
  readonly life: Life;
  readonly port: string;
  /** The methods that change something. */
  readonly changes: ReadonlySet<string>;
  /** Throws when the change is to fail. */
  readonly tryChange?: (method: string) => void;
}

type Method = (...given: unknown[]) => unknown;

export function mortal<Port extends object>(port: Port, options: MortalOptions): Port {
  const wrapped = new Map<string | symbol, Method>();
  return new Proxy(port, {
    get: (target, name) => {
      const known = wrapped.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = (value as Method).bind(target);
      const isChange = options.changes.has(String(name));
      const call = isChange ? changing(method, String(name), options) : asking(method, options);
      wrapped.set(name, call);
      return call;
    },
  });
}

/** Some answers are no promises: what is read in chunks. */
function asking(method: Method, { life }: MortalOptions): Method {
  return (...given) => (life.isAlive ? method(...given) : never());
}

function changing(method: Method, name: string, options: MortalOptions): Method {
  const { life, port, tryChange } = options;
  return async (...given) => {
    const own = ownPoint(given[0]);
    const point = own ?? `${life.role}.${port}.${name}`;
    life.pass(`${point}.before`);
    if (own !== null) life.pass(`${point}.middle`);
    if (!life.isAlive) return await never();
    tryChange?.(name);
    const answer = await method(...given);
    life.pass(`${point}.after`);
    if (!life.isAlive) return await never();
    return isWritable(answer)
      ? mortal(answer, { ...options, port: "file", changes: WRITABLE_CHANGES })
      : answer;
  };
}

const WRITABLE_CHANGES: ReadonlySet<string> = new Set(["write", "synchronise"]);

function isWritable(answer: unknown): answer is object {
  return typeof answer === "object" && answer !== null && "synchronise" in answer;
}

function ownPoint(given: unknown): string | null {
  if (typeof given !== "object" || given === null || !("point" in given)) return null;
  return typeof given.point === "string" ? given.point : null;
}
