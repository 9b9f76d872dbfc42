// SPDX-License-Identifier: Apache-2.0
/**
 * What was met: how often each happening came to an attempt, or a rollout, in each state. A pair
 * that nothing can bring about says why in `unreachable-pairs.ts`; any other that no history met is
 * a hole in the proof.
 */
import { ATTEMPT_STATES } from "../attempt.ts";
import { ROLLOUT_STATES, type RolloutState } from "../rollout.ts";
import {
  ATTEMPT_HAPPENINGS,
  ROLLOUT_HAPPENINGS,
  type AttemptHappening,
  type RolloutHappening,
} from "./happenings.ts";
import { whyUnreachable, type TableName } from "./unreachable-pairs.ts";

const ROWS: { readonly [Table in TableName]: readonly string[] } = {
  attempt: ATTEMPT_STATES,
  rollout: ROLLOUT_STATES,
};
const COLUMNS: { readonly [Table in TableName]: readonly string[] } = {
  attempt: ATTEMPT_HAPPENINGS,
  rollout: ROLLOUT_HAPPENINGS,
};
const TABLES: readonly TableName[] = ["attempt", "rollout"];

export class Coverage {
  private readonly counts: { readonly [Table in TableName]: number[] } = {
    attempt: ATTEMPT_STATES.flatMap(() => ATTEMPT_HAPPENINGS.map(() => 0)),
    rollout: ROLLOUT_STATES.flatMap(() => ROLLOUT_HAPPENINGS.map(() => 0)),
  };

  attempt(state: number, what: AttemptHappening): void {
    this.add("attempt", state, ATTEMPT_HAPPENINGS.indexOf(what), 1);
  }

  rollout(state: RolloutState, what: RolloutHappening): void {
    this.add("rollout", ROLLOUT_STATES.indexOf(state), ROLLOUT_HAPPENINGS.indexOf(what), 1);
  }

  private add(table: TableName, row: number, column: number, count: number): void {
    const index = row * COLUMNS[table].length + column;
    this.counts[table][index] = (this.counts[table][index] ?? 0) + count;
  }

  /** What another process met. */
  merge(counts: { readonly [Table in TableName]: readonly number[] }): void {
    for (const table of TABLES) {
      counts[table].forEach((count, index) => {
        this.counts[table][index] = (this.counts[table][index] ?? 0) + count;
      });
    }
  }

  toJSON(): { readonly [Table in TableName]: readonly number[] } {
    return this.counts;
  }

  /** `attempt pending × leased`: pairs that should have been met and were not. */
  get holes(): string[] {
    return this.pairs(({ count, why }) => count === 0 && why === null);
  }

  /** Pairs that were said to be unreachable, and were met. */
  get surprises(): string[] {
    return this.pairs(({ count, why }) => count > 0 && why !== null);
  }

  private pairs(wanted: (pair: { count: number; why: string | null }) => boolean): string[] {
    return TABLES.flatMap((table) =>
      ROWS[table].flatMap((state, row) =>
        COLUMNS[table].flatMap((what, column) => {
          const count = this.counts[table][row * COLUMNS[table].length + column] ?? 0;
          const why = whyUnreachable(table, state, what);
          return wanted({ count, why }) ? [`${table} ${state} × ${what}`] : [];
        }),
      ),
    );
  }

  /** Both tables: rows are states, columns what happens in them, `·` what cannot. */
  print(): string[] {
    return TABLES.flatMap((table) => {
      const columns = COLUMNS[table];
      const head = `${table} states × what happens, the columns by number:`;
      const names = columns.map((name, index) => `  ${index + 1} ${name}`);
      const header = ["", ...columns.map((_, index) => String(index + 1))];
      const rows = ROWS[table].map((state, row) => [
        state,
        ...columns.map((what, column) => {
          const count = this.counts[table][row * columns.length + column] ?? 0;
          if (count > 0) return short(count);
          return whyUnreachable(table, state, what) === null ? "0" : "·";
        }),
      ]);
      return [head, ...names, ...align([header, ...rows])];
    });
  }
}

/** In at most four characters: 999, 1.2k, 12k, 3.4M. */
function short(count: number): string {
  if (count < 1_000) return String(count);
  const [size, unit] = count < 1_000_000 ? [count / 1_000, "k"] : [count / 1_000_000, "M"];
  return `${size < 10 ? size.toFixed(1) : Math.round(size)}${unit}`;
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((text, column) => {
        const width = widths?.[column] ?? 0;
        return column === 0 ? text.padEnd(width) : text.padStart(width);
      })
      .join(" "),
  );
}
