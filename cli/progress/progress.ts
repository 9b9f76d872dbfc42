// SPDX-License-Identifier: Apache-2.0
/**
 * Live progress on standard error. On a terminal: bars that move in place, redrawn at most ten
 * times a second. Elsewhere (a file, CI): one plain line a change, at most one a second and bar,
 * so that a log stays readable.
 *
 * Dispose it (`using progress = createProgress(…)`): it holds a timer, and on a terminal the
 * cursor.
 */
import { createLogUpdate } from "log-update";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { displayWidth } from "../output/text-width.ts";
import type { OutputStream } from "../shell.ts";
import { plainBarLine, terminalBarLine, type BarFacts, type BarUnit } from "./bar-line.ts";
import { RateMeter } from "./rate-meter.ts";

/** Faster than this no eye follows. */
const FRAME_MS = 100;
const PLAIN_LINE_MS = 1_000;
/** On a terminal the rate of a bar that stands still must be seen to fall. */
const STALLED_FRAME_MS = 1_000;

/** One counter on its way to a total. */
export interface Bar {
  /** Sets the counter, and the free text after it if given. */
  update(value: number, note?: string): void;
  setTotal(total: number): void;
  /** The last word on it: rate and estimate go, the line stays. */
  finish(note?: string): void;
}

export interface Progress extends Disposable {
  /** Adds a bar below the others; `total` 0 = not known yet; `value`: what was done before. */
  bar(name: string, total: number, unit?: BarUnit, value?: number): Bar;
  /** A line above the bars that stays. */
  line(text: string): void;
  /** The line below the bars, replaced by the next one; "" = none. */
  status(text: string): void;
}

/** `isTty` false prints plain lines. */
export function createProgress(options: {
  stream: OutputStream;
  isTty: boolean;
  clock: Clock;
}): Progress {
  const painter = options.isTty
    ? new TerminalPainter(options.stream)
    : new PlainPainter(options.stream);
  return new LiveProgress({ painter, clock: options.clock });
}

interface BarState {
  readonly meter: RateMeter;
  facts: BarFacts;
  dirty: boolean;
}

/** How progress becomes text. */
interface Painter {
  readonly intervalMs: number;
  /** Repaint so often while nothing changes; null = never. */
  readonly stalledIntervalMs: number | null;
  line(text: string): void;
  paint(bars: readonly BarState[], status: string, statusDirty: boolean): void;
  close(): void;
}

class LiveProgress implements Progress {
  readonly #painter: Painter;
  readonly #clock: Clock;
  readonly #bars: BarState[] = [];
  #status = "";
  #statusDirty = false;
  #paintedAtMs = Number.NEGATIVE_INFINITY;
  #cancel: CancelTimer | null = null;
  /** The timer that is set would only repaint what has not changed. */
  #cancelsStalledFrame = false;
  #closed = false;

  constructor(options: { painter: Painter; clock: Clock }) {
    this.#painter = options.painter;
    this.#clock = options.clock;
  }

  bar(name: string, total: number, unit: BarUnit = "count", value = 0): Bar {
    const facts = { name, value, total, unit, perSecond: 0, finished: false, note: "" };
    const state: BarState = { meter: new RateMeter({ clock: this.#clock }), facts, dirty: true };
    state.meter.record(value);
    this.#bars.push(state);
    const change = (changes: Partial<BarFacts>): void => this.#change(state, changes);
    this.#touch();
    return {
      update: (value, note) => change(note === undefined ? { value } : { value, note }),
      setTotal: (newTotal) => change({ total: newTotal }),
      finish: (note) => change(note === undefined ? { finished: true } : { finished: true, note }),
    };
  }

  line(text: string): void {
    this.#painter.line(text);
    this.#touch();
  }

  status(text: string): void {
    if (text === this.#status) return;
    this.#status = text;
    this.#statusDirty = true;
    this.#touch();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#cancel?.();
    this.#closed = true;
    this.#paint();
    this.#painter.close();
  }

  #change(state: BarState, changes: Partial<BarFacts>): void {
    const before = state.facts;
    const after = { ...before, ...changes };
    state.meter.record(after.value);
    if (
      after.value === before.value &&
      after.total === before.total &&
      after.finished === before.finished &&
      after.note === before.note
    ) {
      return;
    }
    state.facts = after;
    state.dirty = true;
    this.#touch();
  }

  /** Paints now if the last time is long enough ago, else as soon as it is. */
  #touch(): void {
    if (this.#closed) return;
    if (this.#cancel !== null && !this.#cancelsStalledFrame) return;
    this.#cancel?.();
    this.#cancel = null;
    this.#cancelsStalledFrame = false;
    const dueMs = this.#paintedAtMs + this.#painter.intervalMs;
    const waitMs = dueMs - this.#clock.monotonicMs();
    if (waitMs <= 0) {
      this.#paint();
      return;
    }
    this.#cancel = this.#clock.setTimer(waitMs, () => this.#paint());
  }

  #paint(): void {
    this.#cancel = null;
    this.#cancelsStalledFrame = false;
    this.#paintedAtMs = this.#clock.monotonicMs();
    for (const state of this.#bars) {
      state.facts = { ...state.facts, perSecond: state.meter.perSecond() };
    }
    this.#painter.paint(this.#bars, this.#status, this.#statusDirty);
    for (const state of this.#bars) state.dirty = false;
    this.#statusDirty = false;
    this.#awaitStalledFrame();
  }

  #awaitStalledFrame(): void {
    const delayMs = this.#painter.stalledIntervalMs;
    if (delayMs === null || this.#closed) return;
    if (this.#bars.every(({ facts }) => facts.finished)) return;
    this.#cancelsStalledFrame = true;
    this.#cancel = this.#clock.setTimer(delayMs, () => this.#paint());
  }
}

class TerminalPainter implements Painter {
  readonly intervalMs = FRAME_MS;
  readonly stalledIntervalMs = STALLED_FRAME_MS;
  readonly #stream: OutputStream;
  readonly #update: ReturnType<typeof createLogUpdate>;

  constructor(stream: OutputStream) {
    this.#stream = stream;
    this.#update = createLogUpdate(stream);
  }

  line(text: string): void {
    this.#update.persist(text);
  }

  paint(bars: readonly BarState[], status: string): void {
    const width = (this.#stream.columns ?? 80) - 1;
    const nameWidth = Math.max(0, ...bars.map(({ facts }) => displayWidth(facts.name)));
    const lines = bars.map(({ facts }) => terminalBarLine(facts, nameWidth, width));
    if (status !== "") lines.push(status);
    if (lines.length > 0) this.#update(lines.join("\n"));
  }

  close(): void {
    this.#update.done();
  }
}

class PlainPainter implements Painter {
  readonly intervalMs = PLAIN_LINE_MS;
  readonly stalledIntervalMs = null;
  readonly #stream: OutputStream;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  line(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  paint(bars: readonly BarState[], status: string, statusDirty: boolean): void {
    for (const { facts, dirty } of bars) {
      if (dirty) this.#stream.write(`${plainBarLine(facts)}\n`);
    }
    if (statusDirty && status !== "") this.#stream.write(`${status}\n`);
  }

  close(): void {}
}
