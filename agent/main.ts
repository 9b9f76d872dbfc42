// SPDX-License-Identifier: Apache-2.0
/**
 * Starts an agent: `muster agent`, the demo and tests call this. Resolves when the device is
 * enrolled and what was under way is known; the link is made in the background, for ever. Signals
 * are the caller's: it calls `stop`.
 */
import { resolve } from "node:path";
import { startAdminServer } from "../runtime/admin-server.ts";
import { lockFile } from "../runtime/sqlite-lock.ts";
import { checkAgentOptions, DEFAULT_ADMIN_PORT } from "./options.ts";
import type { AgentOptions, RunningAgent } from "./options.ts";
import { endOrphans } from "./process/orphans.ts";
import { AgentLife } from "./agent-life.ts";
import { wireAgent, wireBase } from "./wiring.ts";

export { parseGatewayAddress } from "./link/gateway-address.ts";
export type { AgentOptions, RunningAgent } from "./options.ts";
export { inspectSlots } from "./slots/inspect.ts";
export type { InspectedSlot } from "./slots/inspect.ts";

/**
 * Throws `invalid_argument` for wrong options, `failed_precondition` when another agent has the
 * folder, a port is taken or there is no token, `unauthenticated` and `untrusted` from enrolment,
 * `corrupt` when it cannot be said what runs.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  checkAgentOptions(options);
  const { logger, adminHost: host = "127.0.0.1", adminPort: port = DEFAULT_ADMIN_PORT } = options;
  const base = wireBase(options, resolve(options.dataDirectory), process.env);
  const { layout, files, clock, dataDirectory, registry } = base;
  await files.makeFolder(layout.slots);
  await using held = new AsyncDisposableStack();
  const lock = lockFile({ path: layout.lock, attempted: "start the agent" });
  held.defer(() => lock.release());
  const life = new AgentLife(base);
  const readiness = (): readonly string[] => life.notReadyBecause();
  const admin = held.use(await startAdminServer({ host, port, registry, readiness }));
  const start = options.signal ?? life.halt;
  await endOrphans({ dataDirectory, clock, logger, signal: start });
  const wired = await wireAgent(base, { start, halt: life.halt });
  await life.begin(wired, admin.port, held.move());
  return life;
}
