// SPDX-License-Identifier: Apache-2.0
/** TLS and credentials of every connection, as the URL asks for them. */
import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "@platformatic/kafka";
import { fileFailure } from "../../runtime/file-failure.ts";
import type { KafkaLogUrl } from "./log-url.ts";

export type ConnectionSettings = Pick<ConnectionOptions, "tls" | "tlsServerName" | "sasl">;

/** Reads the files that the URL names; throws what `fileFailure` makes of one that is not there. */
export async function readConnectionSettings(url: KafkaLogUrl): Promise<ConnectionSettings> {
  const { tls, sasl } = url;
  const settings: ConnectionSettings = {};
  if (tls !== null) {
    settings.tls = tls.caFile === null ? {} : { ca: await read(tls.caFile) };
    settings.tlsServerName = true;
  }
  if (sasl !== null) {
    const { mechanism, user: username, passwordFile } = sasl;
    const password = passwordFile === null ? sasl.password : (await read(passwordFile)).trimEnd();
    settings.sasl = { mechanism, username, password };
  }
  return settings;
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw fileFailure(error, "read a file of the event log's URL", path);
  }
}
