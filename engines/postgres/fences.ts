// SPDX-License-Identifier: Apache-2.0
/** Fences in PostgreSQL: one counter a name. */
import type { ClientBase } from "pg";
import type { Fence } from "../../ports/store.ts";

/** A token higher than every one before; call it under the fence's exclusive lock. */
export async function drawFence(client: ClientBase, name: string): Promise<Fence> {
  const { rows } = await client.query<{ token: number }>(
    `INSERT INTO muster.fence (name, token) VALUES ($1, 1)
     ON CONFLICT (name) DO UPDATE SET token = fence.token + 1 RETURNING token`,
    [name],
  );
  return { name, token: rows[0]?.token ?? Number.NaN };
}

/** True when nobody has drawn a newer token; call it under the fence's shared lock. */
export async function isNewestFence(client: ClientBase, fence: Fence): Promise<boolean> {
  const text = "SELECT token FROM muster.fence WHERE name = $1";
  const { rows } = await client.query<{ token: number }>(text, [fence.name]);
  return rows[0]?.token === fence.token;
}
