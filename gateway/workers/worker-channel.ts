// SPDX-License-Identifier: Apache-2.0
/** The worker's end of the channel to its parent. */
import type { RunningGateway } from "../options.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

/** The part of Node's `process` that a child has. */
export interface ParentChannel {
  send?: ((message: FromWorker) => unknown) | undefined;
  on(event: "message", listener: (message: unknown) => void): unknown;
  once(event: "message", listener: (message: unknown) => void): unknown;
  once(event: "disconnect", listener: () => void): unknown;
  /** Microseconds since the process started. */
  cpuUsage(): { readonly user: number; readonly system: number };
}

/** Resolves with what the parent wants this process to be; the first message says it. */
export function receiveStart<Start>(channel: ParentChannel): Promise<Start> {
  return new Promise((resolve) => {
    channel.once("message", (message) => {
      const told = message as ToWorker<Start>;
      if (told.kind === "start") resolve(told.options);
    });
  });
}

/** Says that the gateway is ready, does what it is told, and stops it when the parent is gone. */
export function serveParent(channel: ParentChannel, gateway: RunningGateway): void {
  const send = (message: FromWorker): void => void channel.send?.(message);
  channel.on("message", (message) => {
    const told = message as ToWorker<unknown>;
    if (told.kind === "ticketKeys") gateway.useTicketKeys(Buffer.from(told.keys, "base64"));
    if (told.kind === "makeRoom") void gateway.makeRoom(told.part);
    if (told.kind !== "ask") return;
    void gateway.registry.getMetricsAsJSON().then((metrics) => {
      const { user, system } = channel.cpuUsage();
      const cpuSeconds = (user + system) / 1e6;
      const facts = { notReady: gateway.notReady(), sessionCount: gateway.sessionCount() };
      send({ kind: "facts", id: told.id, cpuSeconds, metrics, ...facts });
    });
  });
  channel.once("disconnect", () => void gateway.stop());
  send({ kind: "ready", ports: portsOf(gateway) });
}

function portsOf(gateway: RunningGateway): { [name: string]: number } {
  const { mqttsPort, framedPort, insecureMqttPort, coapPort, insecureCoapPort } = gateway;
  return {
    mqttsPort,
    ...(framedPort === null ? {} : { framedPort }),
    ...(insecureMqttPort === null ? {} : { insecureMqttPort }),
    ...(coapPort === null ? {} : { coapPort }),
    ...(insecureCoapPort === null ? {} : { insecureCoapPort }),
    artifactsPort: gateway.artifactsPort,
  };
}
