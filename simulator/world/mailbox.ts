// SPDX-License-Identifier: Apache-2.0
/** What has arrived and was not yet read; its end is read after all that came before. */

export class Mailbox<Item> {
  private readonly items: Item[] = [];
  private end: { readonly error: unknown } | null = null;
  private wake: (() => void) | null = null;

  put(item: Item): void {
    if (this.end !== null) return;
    this.items.push(item);
    this.wake?.();
  }

  /** `error`: what the reader is to throw; null = it has ended well. The first end counts. */
  close(error: unknown): void {
    this.end ??= { error };
    this.wake?.();
  }

  async *read(): AsyncGenerator<Item> {
    for (;;) {
      const item = this.items.shift();
      if (item !== undefined) {
        yield item;
      } else if (this.end !== null) {
        if (this.end.error !== null) throw this.end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}
