// SPDX-License-Identifier: Apache-2.0
/** What answers to requests for artifacts have in common, whoever gives them. */
import type { ServerResponse } from "node:http";

/** After which a device comes again. */
export const RETRY_AFTER_SECONDS = 5;

/** A sentence for a person. `retryAfterSeconds`: the same request may be answered then. */
export function sayText(
  response: ServerResponse,
  status: number,
  text: string,
  retryAfterSeconds?: number,
): void {
  response.removeHeader("content-length");
  if (retryAfterSeconds !== undefined) response.setHeader("retry-after", retryAfterSeconds);
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}
