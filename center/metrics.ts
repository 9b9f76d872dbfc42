// SPDX-License-Identifier: Apache-2.0
/** The center's metrics, in Prometheus' names and base units. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { LoopMetrics } from "./rollouts/rollout-loop.ts";
import type { StopMetrics } from "./rollouts/stop-ledger.ts";

export interface CenterMetrics extends LoopMetrics, StopMetrics {
  readonly registry: Registry;
  reportsAppended(count: number): void;
}

/** `connected`, `gateways`: read when scraped. */
export function createCenterMetrics(options: {
  connected: () => number;
  gateways: () => number;
}): CenterMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const reports = new Counter({
    name: "muster_center_reports_applied_total",
    help: "Reports that ingest took up, by what they changed.",
    labelNames: ["outcome"],
    registers,
  });
  const appended = new Counter({
    name: "muster_center_reports_appended_total",
    help: "Reports made durable in the EventLog.",
    registers,
  });
  const cycles = new Histogram({
    name: "muster_center_loop_cycle_seconds",
    help: "Duration of a cycle of the rollout loop.",
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2],
    registers,
  });
  const open = new Gauge({
    name: "muster_center_open_rollouts",
    help: "Rollouts that the engine works on.",
    registers,
  });
  addReading(
    registry,
    "muster_center_connected_devices",
    "Devices with a session.",
    options.connected,
  );
  addReading(registry, "muster_center_online_gateways", "Gateways heard from.", options.gateways);
  return {
    registry,
    reportsApplied: (counts) => {
      for (const [outcome, count] of Object.entries(counts)) {
        if (count > 0) reports.inc({ outcome }, count);
      }
    },
    reportsAppended: (count) => appended.inc(count),
    cycle: (seconds) => cycles.observe(seconds),
    openRollouts: (count) => open.set(count),
    ...stopMetrics(registry),
  };
}

function stopMetrics(registry: Registry): StopMetrics {
  const registers = [registry];
  const buckets = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30];
  const gateways = new Histogram({
    name: "muster_center_stop_gateway_seconds",
    help: "From a stop, pause or hold until a gateway acknowledged it.",
    buckets,
    registers,
  });
  const devices = new Histogram({
    name: "muster_center_stop_devices_seconds",
    help: "From a stop, pause or hold until a gateway's last device with an offer confirmed it.",
    buckets,
    registers,
  });
  return {
    gatewayInformed: (seconds) => gateways.observe(seconds),
    devicesInformed: (seconds) => devices.observe(seconds),
  };
}

function addReading(registry: Registry, name: string, help: string, read: () => number): void {
  registry.registerMetric(
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(read());
      },
    }),
  );
}
