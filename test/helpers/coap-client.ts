// SPDX-License-Identifier: Apache-2.0
/** libcoap's client as a device, as Debian has it (libcoap3-bin). */
import { runTool, startTool, type StartedTool, type ToolResult } from "./tools.ts";

export const COAP_CLIENT = "coap-client-notls";

export interface CoapCall {
  readonly port: number;
  readonly path: string;
  readonly device: string;
  readonly method?: "get" | "post" | "delete";
  /** Sent as JSON; text is sent as it is. */
  readonly payload?: object | string;
  /** Further words of the command line. */
  readonly words?: readonly string[];
}

/** Asks, and waits for the answer. An error's code is on standard error: `4.04`. */
export function askCoap(call: CoapCall, folder: string): Promise<ToolResult> {
  return runTool(COAP_CLIENT, wordsOf(call), { cwd: folder, stdin: payloadOf(call) });
}

/** Observes offers for `seconds`; each block that comes is a line on standard output. */
export function observeCoap(call: CoapCall, seconds: number, folder: string): StartedTool {
  const words = ["-w", "-s", String(seconds), ...wordsOf({ ...call, method: "get" })];
  return startTool(COAP_CLIENT, words, { cwd: folder, timeoutMs: (seconds + 10) * 1_000 });
}

function wordsOf({ port, path, device, method = "post", payload, words = [] }: CoapCall): string[] {
  const content =
    payload === undefined ? [] : ["-t", typeof payload === "string" ? "0" : "50", "-f", "-"];
  const url = `coap://127.0.0.1:${port}/${path}?device=${device}`;
  return ["-B", "20", "-m", method, ...content, ...words, url];
}

function payloadOf({ payload }: CoapCall): string {
  if (payload === undefined) return "";
  return typeof payload === "string" ? payload : JSON.stringify(payload);
}
