// SPDX-License-Identifier: Apache-2.0
/**
 * The ports of a page, moved to free ones. A page names its ports as numbers of `--…-port` options;
 * wherever else one of these numbers stands, in an address or in an output, it is that port too.
 */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below what systems give out for port 0 (32,768 on Linux), so no other test is given one. */
const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;
const MAX_TRIES = 1_000;

/** The page with each of its ports replaced, everywhere; nothing else is changed. */
export async function withFreePorts(page: string): Promise<string> {
  const ports = new Set([...page.matchAll(/--[a-z-]+-port (\d+)/g)].map(([, port]) => port ?? ""));
  const free = await freePorts(ports.size);
  const byPort = new Map([...ports].map((port, index) => [port, String(free[index])]));
  return page.replace(/\b\d{4,5}\b/g, (number) => byPort.get(number) ?? number);
}

export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count && tries < MAX_TRIES; tries++) {
    const port = FIRST_PORT + randomInt(PORT_COUNT);
    if (await isFree(port)) found.add(port);
  }
  if (found.size < count) throw new Error(`no ${count} free ports in ${MAX_TRIES} tries`);
  return [...found];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
