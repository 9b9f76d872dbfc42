// SPDX-License-Identifier: Apache-2.0
/** Reads the frozen plan of a rollout: its document and the columns of its pages. */
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import { formatInstant } from "../../domain/civil-time.ts";
import { countJoined } from "../../domain/membership.ts";
import { MusterError } from "../../domain/errors.ts";
import type { PageId, Store, StoredPage } from "../../ports/store.ts";
import { createPlanColumns, decodePlanPage, type PlanColumns } from "./plan-pages.ts";
import { readPlan, rolloutKey, type PlanRecord, type RolloutRecord } from "./rollout-record.ts";

/** Of those who were planned and those who joined. */
export function positionCount(record: RolloutRecord, plan: PlanRecord): number {
  return plan.deviceCount + countJoined(record.progress.joined);
}

/** Read at once: a plan of a million devices is 14 MB, and goes into columns page by page. */
const PAGES_A_READ = 16;

/** Those of the pages that exist, a few at a time. */
export async function* readPages(
  store: Store,
  ids: readonly PageId[],
  signal: AbortSignal,
): AsyncGenerator<StoredPage> {
  for (let at = 0; at < ids.length; at += PAGES_A_READ) {
    yield* await store.loadPages(ids.slice(at, at + PAGES_A_READ), { signal });
  }
}

/** Ids of a kind of page that a plan has one of for every 4,096 positions. */
export function pageIds(kind: PageId["kind"], record: RolloutRecord, plan: PlanRecord): PageId[] {
  const length = Math.ceil(positionCount(record, plan) / CELLS_PER_PAGE);
  return Array.from({ length }, (_, number) => ({ kind, owner: String(record.number), number }));
}

/**
 * Of a rollout that has been planned; throws `corrupt` when its plan is missing, and
 * `failed_precondition` when its devices were deleted with its attempts.
 */
export async function loadPlan(
  store: Store,
  record: RolloutRecord,
  signal: AbortSignal,
): Promise<{ plan: PlanRecord; columns: PlanColumns; versions: number[] }> {
  const key = rolloutKey(record.tenant, record.name);
  const document = await store.getDocument("plan", key, { signal });
  if (document === null) {
    throw new MusterError({
      code: "corrupt",
      message: `rollout ${key} is ${record.progress.state} but its plan is missing`,
      detail: { hint: "restore the center's data folder from a backup" },
    });
  }
  if (record.pruned !== null) {
    throw new MusterError({
      code: "failed_precondition",
      message:
        `the attempts of rollout ${record.name}, and which devices it had, were deleted at ` +
        formatInstant(record.pruned.atMs),
      detail: { hint: `its counts were kept: muster get rollouts ${record.name}` },
    });
  }
  const plan = readPlan(document);
  const columns = createPlanColumns(positionCount(record, plan), plan.zones.length > 0);
  const versions: number[] = [];
  for await (const page of readPages(store, pageIds("plan", record, plan), signal)) {
    decodePlanPage(page.number, page.bytes, columns);
    versions[page.number] = page.version;
  }
  return { plan, columns, versions };
}
