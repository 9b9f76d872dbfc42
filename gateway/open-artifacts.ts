// SPDX-License-Identifier: Apache-2.0
/**
 * Where artifacts are answered: on the devices' TLS port always, on a port of their own where there
 * is one, and for the other workers on a socket of the first.
 */
import type { RequestListener } from "node:http";
import { relayArtifacts, relayedDevice, startArtifactRelay } from "./artifacts/artifact-relay.ts";
import { artifactAnswers, startArtifactServer } from "./artifacts/artifact-server.ts";
import { certifiedDevice } from "./artifacts/artifact-peer.ts";
import type { GatewayCore } from "./core.ts";
import type { GatewayIdentity } from "./identity.ts";
import type { ResolvedGatewayOptions } from "./options.ts";
import type { TicketKeysUser } from "./ticket-keys.ts";

export interface ArtifactListeners extends TicketKeysUser {
  /** null: no port of their own, or another worker's. */
  readonly port: number | null;
  /** Cuts what is under way: a device resumes elsewhere, by range. */
  close(): Promise<void>;
}

/** True when devices find artifacts on the port of MQTT alone. */
export function sharesPort({ artifactsPort, mqttsPort }: ResolvedGatewayOptions): boolean {
  return artifactsPort === null || (artifactsPort !== 0 && artifactsPort === mqttsPort);
}

/** For requests on the devices' TLS port. */
export function artifactRequests(
  core: GatewayCore,
  options: ResolvedGatewayOptions,
): RequestListener {
  const { clock, artifactsSocket: path, worker } = options;
  const { metrics } = core;
  if (worker > 1 && path !== null) return relayArtifacts({ path, clock, metrics });
  const deviceOf = certifiedDevice;
  return artifactAnswers({ ...options, ...core }, (request) => deviceOf(request, clock.wallMs()));
}

/** The listeners that are for artifacts only; of several workers, the first one's. */
export async function openArtifacts(
  core: GatewayCore,
  options: ResolvedGatewayOptions,
  given: { readonly identity: GatewayIdentity; readonly answer: RequestListener },
): Promise<ArtifactListeners | null> {
  const { worker, host, artifactsPort, artifactsSocket: path } = options;
  if (worker > 1) return null;
  await using undo = new AsyncDisposableStack();
  const { sources } = core.mqttContext;
  const common = { ...given, metrics: core.metrics, sources, host };
  const server =
    artifactsPort === null || sharesPort(options)
      ? null
      : await startArtifactServer({ ...common, port: artifactsPort });
  undo.defer(() => server?.close());
  const answer = artifactAnswers({ ...options, ...core }, relayedDevice);
  const relay = path === null ? null : await startArtifactRelay({ path, answer });
  undo.move();
  return {
    port: server?.port ?? null,
    useTicketKeys: (keys) => server?.useTicketKeys(keys),
    close: async () => {
      await Promise.all([server?.close(), relay?.close()]);
    },
  };
}
