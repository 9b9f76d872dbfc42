// SPDX-License-Identifier: Apache-2.0
/**
 * Peers that break the protocol again and again, half of them after a CONNECT that is accepted.
 * Devices that keep to it must hardly notice.
 */
import { CONNECTS_AT_ONCE, servedShare, Storm, type Figures, type StormOptions } from "./storm.ts";

const DEVICES = 10_000;
const PEERS = 1_000;
const PACKETS_A_SECOND = 10_000;
const HEARTBEAT_MS = 5_000;
const CALM_MS = 10_000;
const STORM_MS = 20_000;

export async function malformedStorm(options: StormOptions): Promise<Figures> {
  const { scale, timeScale } = options;
  const deviceCount = DEVICES * scale;
  await using storm = await Storm.begin(options, deviceCount);
  const devices = await storm.devices(deviceCount);
  const peers = await storm.devices(PEERS * scale, true);
  await devices.say(`connect ${CONNECTS_AT_ONCE}`);
  await storm.gateway.settled();
  const beat = (durationMs: number) =>
    storm.measured(devices.say(`beat heartbeat ${HEARTBEAT_MS} ${durationMs}`));
  await beat(CALM_MS * timeScale);
  const calm = await beat(CALM_MS * timeScale);
  const attack = peers.say(`malformed ${PACKETS_A_SECOND * scale} ${STORM_MS * timeScale}`);
  const stormy = await beat(STORM_MS * timeScale);
  const attacked = await attack;
  const devicesCalm = calm.result;
  const devicesStormy = stormy.result;
  return {
    "packets sent": [attacked.flooded / attacked.seconds, "1/s"],
    "who keeps to it, p99 in calm": [devicesCalm.p99Ms, "ms"],
    "who keeps to it, p99 in the storm": [devicesStormy.p99Ms, "ms"],
    "who keeps to it, p99, times that in calm": [devicesStormy.p99Ms / devicesCalm.p99Ms, "×"],
    "who keeps to it, share of heartbeats served": [servedShare(devicesStormy), "of 1"],
    "who keeps to it, connections lost": [devicesStormy.closed, "devices"],
    "gateway RSS in calm": [calm.mostBytes, "bytes"],
    "gateway RSS at most": [stormy.mostBytes, "bytes"],
    "gateway RSS at most, times that in calm": [stormy.mostBytes / calm.mostBytes, "×"],
    "gateway CPU": [stormy.cores, "cores"],
  };
}
