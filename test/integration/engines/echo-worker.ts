// SPDX-License-Identifier: Apache-2.0
/** A core for the tests of `runtime/worker-call.ts`: answers, fails, waits or breaks as told. */
import assert from "node:assert/strict";
import { MusterError } from "../../../domain/errors.ts";
import { buffersOf, serveCalls } from "../../../runtime/worker-serve.ts";

export interface EchoData {
  readonly refuse: boolean;
  readonly brokenClose: boolean;
}

/** The core's methods and how many calls it has run. */
export class EchoCore {
  readonly #brokenClose: boolean;
  #runCount = 0;

  constructor(options: { brokenClose: boolean }) {
    this.#brokenClose = options.brokenClose;
  }

  echo(input: string): string {
    this.#runCount += 1;
    return input;
  }

  runCount(_input: null): number {
    return this.#runCount;
  }

  fail(input: string): never {
    throw new MusterError({
      code: "no_space",
      message: input,
      cause: new Error("the cause"),
      detail: { file: "/data/store.db", hint: "free space" },
    });
  }

  /** Stops the thread until the first number is no longer 0. */
  wait(input: Int32Array): void {
    this.#runCount += 1;
    Atomics.wait(input, 0, 0);
  }

  breakDown(_input: null): never {
    assert.fail("a bug");
  }

  bytes(input: { bytes: Uint8Array }[]): { bytes: Uint8Array }[] {
    return input;
  }

  close(): void {
    if (this.#brokenClose) this.fail("cannot close");
  }
}

serveCalls({
  open: (data: EchoData) => {
    const core = new EchoCore(data);
    if (data.refuse) core.fail("cannot open");
    return { core, facts: { made: "now" } };
  },
  transferOf: buffersOf,
});
