// SPDX-License-Identifier: Apache-2.0
/**
 * Ids of the devices that have connected since this center started, by ordinal: what a signed offer
 * names. Filled by their sessions, so an offer, which only a connected device gets, needs no look
 * into the Store.
 */
import { assert } from "../../domain/assert.ts";
import { PackedTexts } from "../../domain/packed-texts.ts";

export class DeviceNames {
  private readonly texts = new PackedTexts();

  /** Remembers the id of the device with this ordinal, which has one id for ever. */
  set(ordinal: number, id: string): void {
    this.texts.set(ordinal, id);
  }

  /** The id as bytes; asserts that its session was seen. */
  bytesOf(ordinal: number): Uint8Array {
    const bytes = this.texts.bytesAt(ordinal);
    assert(bytes.length > 0, "a device that is offered something has a session");
    return bytes;
  }
}
