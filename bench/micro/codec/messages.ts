// SPDX-License-Identifier: Apache-2.0
/** Random messages of the three kinds that are measured. Their 64-bit ids are above 2^53. */
import type { SeededRandom } from "../../../domain/seeded-random.ts";
import type { DeviceHeartbeat, SlotStatus } from "../../../protocol/device/status.ts";
import type { DeviceStatus, Tag } from "../../gen/muster/bench/v1/status_codec.ts";

const TENANTS = ["default", "acme-retail", "northwind"];
const REGIONS = ["eu-central-1", "us-east-2", "ap-south-1", "local"];
/** 2026, milliseconds. */
const BEGIN_MS = 1_767_225_600_000;
const YEAR_MS = 31_536_000_000;

export function randomTag(random: SeededRandom): Tag {
  return { id: largeId(random), name: deviceName(random), active: random.chance(0.5) };
}

/** Load and temperature as sensors say them, with two digits and one behind the point. */
export function randomStatus(random: SeededRandom): DeviceStatus {
  return {
    id: largeId(random),
    device: deviceName(random),
    tenant: random.pick(TENANTS),
    region: random.pick(REGIONS),
    version: version(random),
    generation: 1 + random.below(500),
    health: random.below(3),
    bootId: largeId(random),
    atMs: BigInt(BEGIN_MS + random.below(YEAR_MS)),
    uptimeSeconds: random.below(5_000_000),
    load: random.below(800) / 100,
    freeMemoryMib: random.below(8_192),
    temperature: random.below(900) / 10,
    critical: random.chance(0.1),
    freeDiskMib: random.below(128_000),
  };
}

/** As an agent sends it: what runs in two slots. */
export function randomHeartbeat(random: SeededRandom): DeviceHeartbeat {
  const slots = { os: slotStatus(random), app: slotStatus(random) };
  return { sequence: random.below(10_000_000), slots };
}

function slotStatus(random: SeededRandom): SlotStatus {
  const word = (): string =>
    random
      .below(2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return {
    digest: Array.from({ length: 8 }, word).join(""),
    version: version(random),
    generation: 1 + random.below(500),
    health: random.pick(["healthy", "unhealthy", "unknown"] as const),
  };
}

/** From 2^53 to 2^63, of either sign. */
function largeId(random: SeededRandom): bigint {
  const high = BigInt(2 ** 21 + random.below(2 ** 31 - 2 ** 21));
  const id = (high << 32n) | BigInt(random.below(2 ** 32));
  return random.chance(0.5) ? id : -id;
}

function deviceName(random: SeededRandom): string {
  return `${random.pick(["press", "till", "pump", "gate"])}-${random.below(1_000_000)}`;
}

function version(random: SeededRandom): string {
  return `${random.below(10)}.${random.below(40)}.${random.below(100)}`;
}
