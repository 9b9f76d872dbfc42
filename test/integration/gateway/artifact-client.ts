// SPDX-License-Identifier: Apache-2.0
/** A device at a gateway's artifact listener, and blobs at the center behind it. */
import { createHash } from "node:crypto";
import { request } from "node:https";
import type { KeyAndCertificate } from "./fixture-authority.ts";
import type { GatewayFixture } from "./gateway-fixture.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

export function get(
  fixture: GatewayFixture,
  identity: KeyAndCertificate,
  path: string,
  options: {
    method?: string;
    headers?: Record<string, string>;
    port?: number;
    ALPNProtocols?: string[];
  } = {},
): Promise<Answer> {
  const { key, cert, ca } = identity;
  const port = fixture.gateway.artifactsPort;
  return new Promise((resolve, reject) => {
    const tls = { key, cert, ca, agent: false as const };
    request({ host: "127.0.0.1", port, path, ...tls, ...options }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, body: Buffer.concat(parts) });
      });
    })
      .on("error", reject)
      .end();
  });
}

export function publishBlob(fixture: GatewayFixture, blob: Buffer): string {
  const sha256 = createHash("sha256").update(blob).digest("hex");
  fixture.center.artifacts.set(sha256, blob);
  return sha256;
}
