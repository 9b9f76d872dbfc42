// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway may be several processes, its workers (docs/adr/0025). To the center each is what a
 * gateway of one process is: it has a stream, sessions, leases, and is alive or not by itself. Its
 * name is `GATEWAY/WORKER`, which no gateway's id can be.
 */

/** Workers of one gateway: as many as a machine has cores, with room. */
export const MAX_WORKERS = 256;

/** `worker` 0: the gateway is one process. */
export function workerName(gateway: string, worker: number): string {
  return worker === 0 ? gateway : `${gateway}/${worker}`;
}

/** The gateway that a name of `workerName` belongs to. */
export function gatewayOfWorker(name: string): string {
  return name.replace(/\/.*$/, "");
}
