// SPDX-License-Identifier: Apache-2.0
/** Windows as people write them: `mon-fri`, `22:00`. */
import { MusterError } from "./errors.ts";
import { DAY_MINUTES, DAYS, type Day, type Window } from "./window.ts";

/** `mon` or `fri-mon` (over the end of the week). Throws `invalid_argument` naming `field`. */
export function parseDays(text: string, field: string): readonly Day[] {
  const [first, last, ...more] = text.trim().toLowerCase().split("-").map(indexOfDay);
  const isRead = first !== undefined && first !== -1 && last !== -1 && more.length === 0;
  if (!isRead) throw invalid(field, `${quoted(text)} is not a day like mon, or days like mon-fri`);
  const count = last === undefined ? 1 : ((last - first + 7) % 7) + 1;
  return Array.from({ length: count }, (_, index) => DAYS[(first + index) % 7] ?? "mon");
}

function indexOfDay(name: string): number {
  return DAYS.findIndex((day) => day === name);
}

/** `22:00` as minutes after midnight; up to `24:00`. Throws `invalid_argument` naming `field`. */
export function parseTimeOfDay(text: string, field: string): number {
  const match = /^(\d\d):(\d\d)$/.exec(text.trim());
  const minutes = match === null ? Number.NaN : Number(match[1]) * 60 + Number(match[2]);
  if (minutes <= DAY_MINUTES && Number(match?.[2]) < 60) return minutes;
  throw invalid(field, `${quoted(text)} is not a time of day like 22:00`);
}

/** `22:00`. */
export function formatTimeOfDay(minutes: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** `mon tue 22:00-05:00`; every day is not said. */
export function formatWindow({ days, fromMinute, toMinute }: Window): string {
  const when = `${formatTimeOfDay(fromMinute)}-${formatTimeOfDay(toMinute)}`;
  return days.length === DAYS.length ? when : `${formatDays(days)} ${when}`;
}

/** `mon-fri`, `mon wed`. */
function formatDays(days: readonly Day[]): string {
  const indexes = DAYS.flatMap((day, index) => (days.includes(day) ? [index] : []));
  const runs: number[][] = [];
  for (const index of indexes) {
    const run = runs.at(-1);
    if (run !== undefined && run.at(-1) === index - 1) run.push(index);
    else runs.push([index]);
  }
  const nameOf = (index: number | undefined): string => DAYS[index ?? 0] ?? "";
  return runs
    .map((run) =>
      run.length < 3 ? run.map(nameOf).join(" ") : `${nameOf(run[0])}-${nameOf(run.at(-1))}`,
    )
    .join(" ");
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function invalid(field: string, message: string): MusterError {
  return new MusterError({ code: "invalid_argument", message, detail: { field } });
}
