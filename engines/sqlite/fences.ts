// SPDX-License-Identifier: Apache-2.0
/** Fences in SQLite: one counter a name. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Fence } from "../../ports/store.ts";

interface Statements {
  readonly get: StatementSync;
  readonly draw: StatementSync;
}

export class Fences {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  static prepare(database: DatabaseSync): Fences {
    return new Fences({
      get: database.prepare("SELECT token FROM fence WHERE name = ?"),
      draw: database.prepare(
        `INSERT INTO fence (name, token) VALUES (?, 1)
         ON CONFLICT (name) DO UPDATE SET token = token + 1 RETURNING token`,
      ),
    });
  }

  /** A token higher than every one before; call it in a transaction. */
  draw(name: string): Fence {
    return { name, token: Number(this.#statements.draw.get(name)?.["token"]) };
  }

  /** True when nobody has drawn a newer token. */
  isNewest(fence: Fence): boolean {
    return this.#statements.get.get(fence.name)?.["token"] === fence.token;
  }
}
