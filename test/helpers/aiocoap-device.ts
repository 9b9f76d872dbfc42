// SPDX-License-Identifier: Apache-2.0
/**
 * A device in Python, by aiocoap: `.ci/run` makes the environment that `aiocoap-python` runs in.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { TalkingTool } from "./talking-tool.ts";
import { startTool } from "./tools.ts";

export const AIOCOAP = "aiocoap-python";

const SCRIPT = fileURLToPath(new URL("../e2e/aiocoap-device.py", import.meta.url));
const TIMEOUT_MS = 120_000;

export interface AiocoapAnswer {
  readonly code: string;
  readonly payload: string;
}

export interface AiocoapKeys {
  /** In hex. */
  readonly senderId: string;
  readonly masterSecret: string;
  readonly masterSalt: string;
}

export class AiocoapDevice extends TalkingTool {
  /** Makes the security context where there is none yet; one that is there goes on. */
  static async start(
    folder: string,
    where: { readonly port: number; readonly keys?: AiocoapKeys },
  ): Promise<AiocoapDevice> {
    const { keys } = where;
    if (keys !== undefined) {
      await mkdir(folder, { recursive: true });
      const settings = {
        "sender-id_hex": keys.senderId,
        "recipient-id_hex": "",
        secret_hex: keys.masterSecret,
        salt_hex: keys.masterSalt,
      };
      await writeFile(`${folder}/settings.json`, JSON.stringify(settings));
    }
    const words = [SCRIPT, `coap://127.0.0.1:${where.port}`, folder];
    const tool = startTool(AIOCOAP, words, { cwd: folder, timeoutMs: TIMEOUT_MS, isTalking: true });
    return new AiocoapDevice(tool);
  }

  /** Asks, and reads the next line: nothing else may be expected meanwhile. */
  async ask(
    method: "POST" | "GET" | "DELETE" | "OBSERVE",
    path: string,
    payload?: object,
  ): Promise<AiocoapAnswer> {
    const command = { method, path, ...(payload === undefined ? {} : { payload }) };
    this.say(command);
    return this.next();
  }

  /** The next notification. */
  override async next(): Promise<AiocoapAnswer> {
    return (await super.next()) as AiocoapAnswer;
  }
}
