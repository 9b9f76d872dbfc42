// SPDX-License-Identifier: Apache-2.0
/**
 * Everything that one cycle of the rollout loop changed, stored at once: rollouts, attempt pages,
 * what devices run, new plans, failure texts, the ingest offsets and the audit entries. Under the
 * leader's fence: a leader that was replaced stores nothing.
 */
import { isEnded } from "../../domain/rollout.ts";
import { MusterError } from "../../domain/errors.ts";
import type { AuditDraft, DocumentWrite, Fence, PageWrite, Store } from "../../ports/store.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { FiledReport } from "../ingest/report-record.ts";
import { CommandOutputs } from "./command-outputs.ts";
import type { LoopState } from "./loop-state.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { encodePlanPages } from "./plan-pages.ts";
import { toJson } from "./rollout-record.ts";

export interface DetailWrite {
  readonly rollout: OpenRollout;
  readonly report: FiledReport;
}

/** Failure texts kept of one rollout: enough to see a pattern, bounded when a million fail. */
const MAX_DETAILS = 1_000;
/**
 * Texts kept in one cycle, of all rollouts: a commit holds 2,000 writes, and has others to hold.
 */
const MAX_CYCLE_DETAILS = 1_000;

export class CycleCommit {
  private readonly state: LoopState;
  private readonly fence: Fence;
  private readonly documents: DocumentWrite[] = [];
  private readonly pages: PageWrite[] = [];
  private readonly audits: AuditDraft[] = [];
  private readonly outputs = new CommandOutputs();

  constructor(state: LoopState, fence: Fence, details: readonly DetailWrite[]) {
    this.state = state;
    this.fence = fence;
    for (const { rollout, report } of details) {
      if (rollout.needsEvidence) this.addDetail(rollout, report);
      else this.outputs.add(rollout, report);
    }
  }

  audit(draft: AuditDraft): void {
    this.audits.push(draft);
  }

  /** A plan that is frozen in this cycle: its document and its pages. */
  addPlan(rollout: OpenRollout): void {
    this.documents.push({
      kind: "plan",
      key: rollout.key,
      expectedRevision: 0,
      value: toJson(rollout.plan),
    });
    this.pages.push(...encodePlanPages(rollout.record.number, rollout.columns));
  }

  private addDetail(rollout: OpenRollout, report: FiledReport): void {
    const { record } = rollout;
    if (record.detailCount >= MAX_DETAILS || this.documents.length >= MAX_CYCLE_DETAILS) return;
    rollout.record = { ...record, detailCount: record.detailCount + 1 };
    this.documents.push({
      kind: "attempt-detail",
      key: `${record.number}/${report.position}/${report.generation}/${report.sequence}`,
      expectedRevision: 0,
      value: { phase: report.phase, reason: report.reason, text: report.text },
    });
  }

  /**
   * The planted bug `audit.apart`: the audit entries have a commit of their own, ahead of what they
   * tell of, so that a crash between the two makes them untrue and the next cycle tells it again.
   */
  async storeAuditApart(store: Store, signal: AbortSignal): Promise<void> {
    if (this.audits.length === 0) return;
    await store.commit({ fence: this.fence, audit: this.audits.splice(0) }, { signal });
    faultPoint("center.audit.apart");
  }

  /**
   * Throws `conflict` when a document was changed meanwhile, `failed_precondition` when fenced.
   * `nowMs`: monotonic.
   */
  async store(
    store: Store,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<{ changedKeys: string[] }> {
    await this.outputs.store(store, this.fence, signal);
    const { consumer, digests, running, open } = this.state;
    // The attempt pages of a rollout that has ended no longer vouch for what it drew.
    const all = [...open.values()].some(({ record }) => isEnded(record.progress.state));
    const runningWrites = running.pendingWrites({ nowMs, all });
    const digestWrite = digests.pendingWrite();
    const offsetWrite = consumer.pendingWrite();
    const rollouts = [...open.values()]
      .map((rollout) => ({ rollout, writes: rollout.pendingWrites() }))
      .filter(({ writes }) => writes.documents.length + writes.pages.length > 0);
    const documents = [
      ...this.documents,
      ...(digestWrite === null ? [] : [digestWrite]),
      ...(offsetWrite === null ? [] : [offsetWrite]),
      ...rollouts.flatMap(({ writes }) => writes.documents),
    ];
    const pages = [
      ...this.pages,
      ...runningWrites,
      ...rollouts.flatMap(({ writes }) => writes.pages),
    ];
    if (documents.length + pages.length + this.audits.length === 0) return { changedKeys: [] };
    const commit = { fence: this.fence, documents, pages, audit: this.audits };
    const result = await store.commit(commit, { signal });
    if (!result.ok) throw commitRefused(result.reason, result.at);
    running.committed(runningWrites);
    if (digestWrite !== null) digests.committed();
    for (const { rollout, writes } of rollouts) rollout.committed(writes);
    if (offsetWrite !== null) consumer.committed();
    return { changedKeys: rollouts.map(({ rollout }) => rollout.key) };
  }
}

function commitRefused(reason: "stale-fence" | "conflict", at: string): MusterError {
  if (reason === "stale-fence") {
    return new MusterError({
      code: "failed_precondition",
      message: "this center is not the leader any more: another one has taken over",
      detail: { hint: "only one center may work on a data folder; this process ends" },
    });
  }
  return new MusterError({
    code: "conflict",
    message: `${at} was changed by somebody else while a rollout was stepped`,
  });
}
