// SPDX-License-Identifier: Apache-2.0
/**
 * A device in Python, by paho: `.ci/run` makes the environment that `paho-python` runs in. What it
 * is told and answers stands at the head of `paho-device.py`.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { TalkingTool } from "../../helpers/talking-tool.ts";
import { startTool } from "../../helpers/tools.ts";
import type { GatewayFixture } from "./gateway-fixture.ts";

export const PAHO = "paho-python";

const SCRIPT = fileURLToPath(new URL("paho-device.py", import.meta.url));
const TIMEOUT_MS = 60_000;

export interface PahoOptions {
  readonly level: 4 | 5;
  /** How long the session is to outlive its connection, s; 0: each connection starts anew. */
  readonly expirySeconds?: number;
  readonly will?: { readonly topic: string; readonly payload: string };
}

export class PahoDevice extends TalkingTool {
  static async start(
    fixture: GatewayFixture,
    device: string,
    options: PahoOptions,
  ): Promise<PahoDevice> {
    const { ca, cert, key } = await fixture.enrol(device);
    const files: string[] = [];
    for (const [name, text] of Object.entries({ ca, cert, key })) {
      const file = fixture.folder.join(`paho-${name}.pem`);
      await writeFile(file, text);
      files.push(file);
    }
    const where = ["127.0.0.1", String(fixture.gateway.mqttsPort), ...files, device];
    const { level, expirySeconds = 0, will } = options;
    const words = [SCRIPT, ...where, String(level), String(expirySeconds)];
    if (will !== undefined) words.push(will.topic, will.payload);
    const cwd = fixture.folder.path;
    return new PahoDevice(startTool(PAHO, words, { cwd, timeoutMs: TIMEOUT_MS, isTalking: true }));
  }

  /** Does one thing, and reads the answer to it. */
  async ask(command: { readonly do: string; readonly [field: string]: unknown }): Promise<unknown> {
    this.say(command);
    return this.next();
  }
}
