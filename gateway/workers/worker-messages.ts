// SPDX-License-Identifier: Apache-2.0
/**
 * What a gateway's parent and its workers tell each other, over the channel that Node gives to a
 * child. The channel is also how a worker learns that its parent is gone: then it ends, too.
 */
import type { WorkerFacts, WorkerPorts } from "./worker-process.ts";

/**
 * To a worker. `ask` is answered with `facts` of the same id. `ticketKeys` are base64, and come
 * when it is ready and whenever there are others. `makeRoom`: a part of its devices is to go to the
 * workers beside it.
 */
export type ToWorker<Start> =
  | { readonly kind: "start"; readonly options: Start }
  | { readonly kind: "ask"; readonly id: number }
  | { readonly kind: "ticketKeys"; readonly keys: string }
  | { readonly kind: "makeRoom"; readonly part: number };

export type FromWorker =
  | { readonly kind: "ready"; readonly ports: WorkerPorts }
  | ({ readonly kind: "facts"; readonly id: number } & WorkerFacts);
