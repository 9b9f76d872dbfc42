// SPDX-License-Identifier: Apache-2.0
/** A device in another language: it reads a command a line, and answers each in a line of JSON. */
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import type { StartedTool } from "./tools.ts";

export class TalkingTool implements AsyncDisposable {
  readonly #tool: StartedTool;
  readonly #answers: AsyncIterator<string>;

  /** One that was started to be talked to (`isTalking`). */
  constructor(tool: StartedTool) {
    this.#tool = tool;
    assert.ok(tool.child.stdout !== null);
    this.#answers = createInterface({ input: tool.child.stdout })[Symbol.asyncIterator]();
  }

  say(command: object): void {
    this.#tool.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** The next line; throws with what it wrote to stderr when the device has ended. */
  async next(): Promise<unknown> {
    const line = await this.#answers.next();
    if (line.done === true) {
      const { stderr } = await this.#tool.ended;
      throw new Error(`the device has ended: ${stderr}`);
    }
    return JSON.parse(line.value) as unknown;
  }

  /** Ends it as a program that is told to. */
  async stop(): Promise<void> {
    this.#tool.child.stdin?.end();
    await this.#tool.ended;
  }

  /** Ends the process as a crash does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tool[Symbol.asyncDispose]();
  }
}
