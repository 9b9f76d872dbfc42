// SPDX-License-Identifier: Apache-2.0
/**
 * When a client pings, and when it takes the server for dead. It looks about twice a keep alive and
 * pings if nothing was sent since the last look, so that never more than 0.9 keep alives pass
 * between two packets [MQTT-3.1.2-20]. It also pings if nothing was *received*: a device that only
 * sends QoS 0 heartbeats would otherwise not notice for a quarter of an hour that its server is
 * gone.
 */
import type { ClientOutput } from "./client-output.ts";
import { PINGREQ } from "./encoder.ts";

const TICK_MS_PER_KEEP_ALIVE_SECOND = 450;

export class ClientKeepAlive {
  /** As the server wants it; 0 is none. */
  seconds = 0;
  /** Something was received since the last look. */
  hasHeard = false;
  #isPinging = false;
  readonly #output: ClientOutput;

  constructor(output: ClientOutput) {
    this.#output = output;
  }

  /** Milliseconds between two looks; 0 is never. */
  get tickMs(): number {
    return this.seconds * TICK_MS_PER_KEEP_ALIVE_SECOND;
  }

  /** False when a ping brought nothing: the server is gone. */
  tick(): boolean {
    if (this.#isPinging && !this.hasHeard) return false;
    this.#isPinging = !this.#output.hasSent || !this.hasHeard;
    this.hasHeard = false;
    this.#output.hasSent = false;
    if (this.#isPinging) this.#output.send(PINGREQ);
    return true;
  }
}
