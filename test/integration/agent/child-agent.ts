// SPDX-License-Identifier: Apache-2.0
/**
 * An agent in a process of its own, whose power can be cut: install-main.ts with an environment.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { OfferPayload } from "../../../protocol/device/offer.ts";

const MAIN = fileURLToPath(new URL("install-main.ts", import.meta.url));
/** A child does in a second what this allows; the machine may be busy. */
const CHILD_TIMEOUT_MS = 60_000;

export interface ChildEnd {
  readonly exitCode: number | null;
  readonly signalName: string | null;
  readonly output: string;
}

export interface ChildOptions {
  readonly data: string;
  readonly blobFolder: string;
  readonly offer: OfferPayload;
  readonly serviceHook: string;
  /** Spares each of the many processes most of its start. */
  readonly compileCache: string;
  /** The center takes all reports at the end. */
  readonly isAcknowledged?: boolean;
  readonly environment: { readonly [name: string]: string };
}

export function startChild(options: ChildOptions): {
  readonly process: ChildProcess;
  readonly ended: Promise<ChildEnd>;
} {
  const { data, blobFolder, offer, serviceHook, compileCache, environment } = options;
  mkdirSync(data, { recursive: true });
  const child = spawn(
    process.execPath,
    [
      MAIN,
      data,
      blobFolder,
      JSON.stringify(offer),
      serviceHook,
      options.isAcknowledged === true ? "acknowledge" : "",
    ],
    {
      env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: compileCache, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), CHILD_TIMEOUT_MS);
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once("close", (exitCode, signalName) => {
      clearTimeout(timer);
      resolve({ exitCode, signalName, output });
    });
  });
  return { process: child, ended };
}
