// SPDX-License-Identifier: Apache-2.0
/** The agent's metrics: names with units, labels from closed sets. */
import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { SLOTS } from "../protocol/device/status.ts";
import type { Slot, SlotStatuses } from "../protocol/device/status.ts";
import type { AttemptObserver } from "./attempt-runner.ts";
import type { SessionObserver } from "./link/device-session.ts";
import type { LinkObserver } from "./link/link-manager.ts";
import type { OfferObserver } from "./slot-worker.ts";
import type { Outcome } from "./state/journal-state.ts";
import type { Step } from "./steps/step.ts";

/** Read whenever somebody asks for the metrics. */
export interface MetricSources {
  statuses(): SlotStatuses;
  pendingReportCount(): number;
  /** Milliseconds since 1970. */
  certificateEndsMs(): number;
}

export class AgentMetrics implements AttemptObserver, SessionObserver, LinkObserver, OfferObserver {
  readonly #connected: Gauge;
  readonly #dialFailures: Counter;
  readonly #disconnects: Counter;
  readonly #exhaustions: Counter;
  readonly #heartbeats: Counter;
  readonly #acknowledged: Counter;
  readonly #offers: Counter<"answer">;
  readonly #attempts: Counter<"slot" | "phase">;
  readonly #steps: Histogram<"step">;
  readonly #downloaded: Counter;
  readonly #rebuilds: Counter;

  constructor(options: { registry: Registry; version: string; sources: MetricSources }) {
    const { registry, version } = options;
    const registers = [registry];
    const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
    this.#connected = new Gauge({
      name: "muster_agent_link_connected",
      help: "1 while the device is connected to a gateway.",
      registers,
    });
    this.#dialFailures = counter("muster_agent_link_dial_failures_total", "Failed connections.");
    this.#disconnects = counter("muster_agent_link_disconnects_total", "Connections that ended.");
    this.#exhaustions = counter(
      "muster_agent_link_exhausted_total",
      "Outages in which four tries in a row failed.",
    );
    this.#heartbeats = counter("muster_agent_heartbeats_sent_total", "Heartbeats sent.");
    this.#acknowledged = counter(
      "muster_agent_reports_acknowledged_total",
      "Reports that the center holds.",
    );
    this.#offers = new Counter({
      name: "muster_agent_offers_total",
      help: "Offers received, by answer.",
      labelNames: ["answer"],
      registers,
    });
    this.#attempts = new Counter({
      name: "muster_agent_attempts_total",
      help: "Attempts that ended, by slot and last phase.",
      labelNames: ["slot", "phase"],
      registers,
    });
    this.#steps = new Histogram({
      name: "muster_agent_step_duration_seconds",
      help: "Time that steps took, by kind.",
      labelNames: ["step"],
      buckets: [0.01, 0.1, 1, 10, 60, 600, 3_600],
      registers,
    });
    this.#downloaded = counter(
      "muster_agent_downloaded_bytes_total",
      "Bytes of artifacts fetched.",
    );
    this.#rebuilds = counter(
      "muster_agent_journal_rebuilds_total",
      "Starts at which the journal had to be rebuilt.",
    );
    const info = new Gauge({
      name: "muster_agent_info",
      help: "1; the label is the version.",
      labelNames: ["version"],
      registers,
    });
    info.set({ version }, 1);
    for (const gauge of gaugesOver(options.sources)) registry.registerMetric(gauge);
  }

  linkUp(): void {
    this.#connected.set(1);
  }
  linkDown(): void {
    this.#connected.set(0);
    this.#disconnects.inc();
  }
  dialFailed(): void {
    this.#dialFailures.inc();
  }
  linkExhausted(): void {
    this.#exhaustions.inc();
  }
  heartbeatSent(): void {
    this.#heartbeats.inc();
  }
  reportAcknowledged(): void {
    this.#acknowledged.inc();
  }
  offerAnswered(answer: string): void {
    this.#offers.inc({ answer });
  }
  stepEnded(step: Step, durationMs: number): void {
    this.#steps.observe({ step: step.kind }, durationMs / 1_000);
  }
  attemptEnded(slot: Slot, outcome: Outcome): void {
    this.#attempts.inc({ slot, phase: outcome.phase });
  }
  downloaded(byteCount: number): void {
    this.#downloaded.inc(byteCount);
  }
  journalRebuilt(): void {
    this.#rebuilds.inc();
  }
}

/** Gauges that are read when somebody scrapes; 0 while the agent is still starting. */
function gaugesOver(sources: MetricSources): readonly Gauge[] {
  const registers: Registry[] = []; // The caller registers them.
  const labelNames = ["slot"];
  return [
    new Gauge({
      name: "muster_agent_reports_pending",
      help: "Reports that wait for the center.",
      registers,
      collect(): void {
        this.set(sources.pendingReportCount());
      },
    }),
    new Gauge({
      name: "muster_agent_certificate_expiry_timestamp_seconds",
      help: "When the device's certificate ends, seconds since 1970.",
      registers,
      collect(): void {
        this.set(sources.certificateEndsMs() / 1_000);
      },
    }),
    new Gauge({
      name: "muster_agent_slot_generation",
      help: "Generation under which the slot's content was installed.",
      labelNames,
      registers,
      collect(): void {
        const statuses = sources.statuses();
        for (const slot of SLOTS) this.set({ slot }, statuses[slot]?.generation ?? 0);
      },
    }),
    new Gauge({
      name: "muster_agent_slot_healthy",
      help: "1 while the slot runs what was installed and is healthy.",
      labelNames,
      registers,
      collect(): void {
        const statuses = sources.statuses();
        for (const slot of SLOTS) {
          const status = statuses[slot];
          if (status !== undefined) this.set({ slot }, status.health === "healthy" ? 1 : 0);
        }
      },
    }),
  ];
}
