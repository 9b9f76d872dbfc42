// SPDX-License-Identifier: Apache-2.0
/**
 * What a device truly did, read from its disk as it changes, whatever it says over its wire: what
 * it accepted (its journal), what it had to say and what it knows to have arrived (its outbox), and
 * what really runs (the content behind its `current` link). In the form that checkers read.
 */
import { basename } from "node:path";
import type { JournalState } from "../../agent/state/journal-state.ts";
import type { ReportRecord } from "../../agent/reports/report-record.ts";
import type { DataLayout } from "../../agent/slots/slot-layout.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";
import { SLOTS, type Slot } from "../../protocol/device/status.ts";
import type { Operation } from "../swarm/model-effects.ts";
import type { MemoryFiles } from "./memory-files.ts";

/** What a content is. */
export interface KnownContent {
  readonly digest: string;
  readonly version: string;
}

export class DeedReader {
  private readonly files: MemoryFiles;
  private readonly layout: DataLayout;
  private readonly contentOf: (text: string) => KnownContent | null;
  private readonly record: (operation: Operation) => void;
  private readonly attempts = new Map<Slot, OfferPayload>();
  private readonly undoing = new Set<Slot>();
  private readonly outbox = new Map<string, readonly DeviceReport[]>();
  private readonly said = new Set<string>();

  constructor(options: {
    files: MemoryFiles;
    layout: DataLayout;
    /** Of the file that a release puts there; null = of no release. */
    contentOf: (text: string) => KnownContent | null;
    record: (operation: Operation) => void;
  }) {
    this.files = options.files;
    this.layout = options.layout;
    this.contentOf = options.contentOf;
    this.record = options.record;
  }

  /** Something at that path is there, is different, or is gone. */
  changed(path: string): void {
    const { layout } = this;
    if (path === layout.journal) this.readJournal();
    else if (path.startsWith(`${layout.reports}/`)) this.readReports(path);
    else for (const slot of SLOTS) if (path === layout.current(slot)) this.readSwitch(slot);
  }

  private readJournal(): void {
    const journal = bodyOf<JournalState>(this.files.peek(this.layout.journal));
    for (const slot of SLOTS) {
      const attempt = journal?.slots[slot]?.attempt ?? null;
      if (attempt === null) continue;
      const { offer, undoing } = attempt;
      if (undoing === null) this.undoing.delete(slot);
      else this.undoing.add(slot);
      const before = this.attempts.get(slot);
      this.attempts.set(slot, offer);
      if (before?.nonce === offer.nonce) continue;
      this.record({ op: "accept", ...nameOf(offer), offer });
    }
  }

  private readReports(path: string): void {
    if (!/^\d+-\d+\.json$/.test(basename(path))) return;
    const record = bodyOf<ReportRecord>(this.files.peek(path));
    const before = this.outbox.get(path) ?? [];
    const now = record?.pending ?? [];
    this.outbox.set(path, now);
    const has = (list: readonly DeviceReport[], sequence: number): boolean =>
      list.some((report) => report.sequence === sequence);
    for (const report of before) {
      const { rollout, position, generation, sequence, phase } = report;
      // A newer one of the same phase took its place.
      if (has(now, sequence) || now.some((other) => other.phase === phase)) continue;
      this.record({ op: "ack", rollout, position, generation, sequence });
    }
    for (const report of now) {
      const { rollout, position, generation, sequence } = report;
      const name = `${path} ${sequence}`;
      if (has(before, sequence) || this.said.has(name)) continue;
      this.said.add(name);
      this.record({ op: "report", slot: "app", rollout, position, generation, report });
    }
  }

  private readSwitch(slot: Slot): void {
    const offer = this.attempts.get(slot);
    if (offer === undefined) return;
    const text = this.files.peek(`${this.layout.current(slot)}/app.txt`);
    const { digest, version } = (text === null ? null : this.contentOf(text)) ?? NOTHING;
    const op = this.undoing.has(slot) ? "restore" : "activate";
    this.record({ op, ...nameOf(offer), digest, version });
  }
}

const NOTHING: KnownContent = { digest: "", version: "" };

function nameOf(
  offer: OfferPayload,
): Pick<OfferPayload, "slot" | "rollout" | "position" | "generation"> {
  const { slot, rollout, position, generation } = offer;
  return { slot, rollout, position, generation };
}

/** Behind the line with the checksum; null = there is no such file. */
function bodyOf<Body>(text: string | null): Body | null {
  return text === null ? null : (JSON.parse(text.slice(text.indexOf("\n") + 1)) as Body);
}
