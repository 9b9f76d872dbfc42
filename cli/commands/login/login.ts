// SPDX-License-Identifier: Apache-2.0
/** `muster login URL --token-file FILE`: checks address and token, then saves them. */
import type { Command } from "commander";
import { MusterError } from "../../../domain/errors.ts";
import { checkTenant, DEFAULT_TENANT } from "../../../domain/identity.ts";
import { createSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { checkToken, DEFAULT_SERVER, normalizeServer, readPem } from "../../connection.ts";
import { contextPath, writeContext } from "../../context.ts";
import { MAX_SECRET_BYTES, readBounded } from "../../files.ts";
import { note, readStdin, type Shell } from "../../shell.ts";

interface Options {
  readonly tokenFile: string;
  readonly caFile?: string;
  readonly tenant: string;
}

export function declare(command: Command, shell: Shell): void {
  command
    .argument("[url]", "address of the center", DEFAULT_SERVER)
    .requiredOption("--token-file <file>", "file with the operator token; - for standard input")
    .option("--ca-file <file>", "PEM file with the authority of the center's certificate")
    .option("--tenant <name>", "whose fleet, from now on", DEFAULT_TENANT);
  addExamples(command, [
    ["muster login --token-file ~/.local/share/muster/center/operator/token", "On this machine"],
    ["muster login https://center:7070 --token-file - --ca-file ca.pem", "Elsewhere"],
  ]);
  command.action(async (url: string, options: Options) => {
    const server = normalizeServer(url);
    checkTenant(options.tenant, "--tenant");
    const connection = {
      server,
      token: await readToken(shell, options.tokenFile),
      caPem: options.caFile === undefined ? null : await readPem(options.caFile),
      tenant: options.tenant,
    };
    const session = createSession({ shell, connection });
    const status = await session.client.getStatus({}, session.call);
    const path = contextPath(shell.environment);
    await writeContext(path, connection);
    note(shell, `Logged in to ${server} (version ${status.version}); saved in ${path}.`);
  });
}

async function readToken(shell: Shell, file: string): Promise<string> {
  if (file !== "-") {
    const bytes = await readBounded(file, {
      attempted: "reading the operator token",
      maxBytes: MAX_SECRET_BYTES,
    });
    return checkToken(bytes.toString("utf8").trim(), file);
  }
  const text = await readStdin(shell, MAX_SECRET_BYTES);
  if (text !== null) return checkToken(text.trim(), file);
  throw new MusterError({
    code: "too_large",
    message: `standard input holds more than ${MAX_SECRET_BYTES} bytes; a token is one line`,
  });
}
