// SPDX-License-Identifier: Apache-2.0
/**
 * The OSCORE keys of devices: taken from operators with the devices' registrations, given to
 * gateways when a device speaks to them. Whoever gets keys gets a range of sequence numbers with
 * them that nobody else ever gets: two gateways that protect messages to one device under one
 * number would undo the protection of both.
 *
 * Limits: 1,000 devices at once; sender ids of 1–7 bytes, master secrets of 16–64, salts up to 64.
 */
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DocumentWrite, Store } from "../../ports/store.ts";
import { deriveKeys, MAX_ID_BYTES } from "../../protocol/coap/oscore/key-derivation.ts";
import type { CredentialSealer } from "../identity/credential-sealer.ts";
import { readDevice } from "./device-record.ts";
import {
  nextRange,
  oscoreKey,
  ownerOf,
  RANGE_NUMBERS,
  readOscoreRecord,
  type OscoreRecord,
} from "./oscore-record.ts";

/** As an operator gives them. */
export interface OscoreSecret {
  readonly senderId: Uint8Array;
  readonly masterSecret: Uint8Array;
  /** Empty: none. */
  readonly masterSalt: Uint8Array;
}

export interface DeviceSecret extends OscoreSecret {
  readonly device: string;
  /** Where an error points: `devices[3].oscore`. */
  readonly field: string;
}

/** What a gateway needs of a device, and a range of numbers of its own. */
export interface OscoreContext {
  readonly tenant: string;
  readonly device: string;
  /** Device's key, gateway's key, common IV: 45 bytes. */
  readonly keys: Uint8Array;
  readonly firstNumber: number;
  readonly numberCount: number;
}

export const MAX_CONTEXTS = 1_000;
/** Gateways have the empty one, which no device can have. */
const GATEWAY_ID = new Uint8Array(0);
const MIN_SECRET_BYTES = 16;
const MAX_SECRET_BYTES = 64;
/** Two writers of the same records: the second one reads again. */
const MAX_TRIES = 5;

export interface OscoreCredentialsOptions {
  readonly store: Store;
  readonly sealer: CredentialSealer;
  readonly clock: Clock;
}

export class OscoreCredentials {
  readonly #store: Store;
  readonly #sealer: CredentialSealer;
  readonly #clock: Clock;

  constructor(options: OscoreCredentialsOptions) {
    this.#store = options.store;
    this.#sealer = options.sealer;
    this.#clock = options.clock;
  }

  /**
   * What to commit so that these devices have these keys: nothing for those that have them. Throws
   * `invalid_argument`, and `already_exists` when a sender id is another device's.
   */
  async prepare(
    tenant: string,
    secrets: readonly DeviceSecret[],
    signal: AbortSignal,
  ): Promise<DocumentWrite[]> {
    const ids = secrets.map(checkSecret);
    const fieldById = new Map<string, string>();
    ids.forEach((id, index) => {
      const field = secrets[index]?.field ?? "";
      const before = fieldById.get(id);
      if (before !== undefined)
        throw bad(field, `the sender id ${id} is that of ${before} as well`);
      fieldById.set(id, field);
    });
    const stored = await this.#store.getDocuments("oscore", ids.map(oscoreKey), { signal });
    return secrets.flatMap((secret, index) => {
      const senderId = ids[index] ?? "";
      const document = stored[index] ?? null;
      const before = document === null ? null : readOscoreRecord(document);
      const { device, field } = secret;
      if (before !== null && (before.tenant !== tenant || before.device !== device)) {
        throw new MusterError({
          code: "already_exists",
          message: `the sender id ${senderId} is another device's`,
          detail: { field: `${field}.sender_id`, hint: "give each device a sender id of its own" },
        });
      }
      const keys = contextKeys(secret);
      if (before !== null && this.#keysOf(senderId, before)?.equals(keys) === true) return [];
      const facts = { tenant, device, lastRange: 0 };
      const sealed = this.#sealer.seal(ownerOf(senderId, facts), keys);
      const value = { ...facts, sealed };
      const expectedRevision = document?.revision ?? 0;
      return [{ kind: "oscore" as const, key: oscoreKey(senderId), expectedRevision, value }];
    });
  }

  /** What removes the keys under these sender ids, as far as there are any. */
  async removal(senderIds: readonly string[], signal: AbortSignal): Promise<DocumentWrite[]> {
    if (senderIds.length === 0) return [];
    const stored = await this.#store.getDocuments("oscore", senderIds.map(oscoreKey), { signal });
    return stored.flatMap((document) => {
      if (document === null) return [];
      const { key, revision: expectedRevision } = document;
      return [{ kind: "oscore" as const, key, expectedRevision, value: null }];
    });
  }

  /**
   * For each sender id, in order, the keys of the device that has it now, with numbers of their
   * own; null where there is none, or it is retired. Durable when it resolves.
   */
  async give(
    senderIds: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<readonly (OscoreContext | null)[]> {
    const ids = senderIds.map((id) => Buffer.from(id).toString("hex"));
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { contexts, writes } = await this.#draw(ids, signal);
      if (writes.length === 0) return contexts;
      const result = await this.#store.commit({ documents: writes }, { signal });
      if (result.ok) return contexts;
    }
    throw new MusterError({
      code: "unavailable",
      message: "cannot give keys of devices: others change them all the time",
    });
  }

  async #draw(
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<{ contexts: (OscoreContext | null)[]; writes: DocumentWrite[] }> {
    const stored = await this.#store.getDocuments("oscore", ids.map(oscoreKey), { signal });
    const records = stored.map((document) => document && readOscoreRecord(document));
    const names = records.map((record) => ({
      tenant: record?.tenant ?? "",
      id: record?.device ?? "",
    }));
    const devices = await this.#store.getDevices(names, { signal });
    const writes: DocumentWrite[] = [];
    const contexts = ids.map((senderId, index) => {
      const record = records[index] ?? null;
      const device = devices[index] ?? null;
      const document = stored[index] ?? null;
      if (record === null || device === null || document === null) return null;
      const { retired, oscoreSenderId } = readDevice(device);
      const keys = retired || oscoreSenderId !== senderId ? null : this.#keysOf(senderId, record);
      const range = nextRange(record.lastRange, this.#clock.wallMs());
      if (keys === null || range === null) return null;
      const { key, revision: expectedRevision } = document;
      const value = { ...record, lastRange: range };
      writes.push({ kind: "oscore", key, expectedRevision, value });
      const { tenant, device: id } = record;
      const firstNumber = range * RANGE_NUMBERS;
      return { tenant, device: id, keys, firstNumber, numberCount: RANGE_NUMBERS };
    });
    return { contexts, writes };
  }

  /** null: sealed with a key that this center does not have. */
  #keysOf(senderId: string, record: OscoreRecord): Buffer | null {
    return this.#sealer.open(ownerOf(senderId, record), record.sealed);
  }
}

/** The gateway's side of the context, so "sender" is the gateway. */
function contextKeys({ senderId, masterSecret, masterSalt }: OscoreSecret): Buffer {
  const { senderKey, recipientKey, commonIv } = deriveKeys({
    masterSecret,
    masterSalt,
    senderId: GATEWAY_ID,
    recipientId: senderId,
    idContext: null,
  });
  return Buffer.concat([recipientKey, senderKey, commonIv]);
}

/** The sender id in hex. */
function checkSecret({ field, senderId, masterSecret, masterSalt }: DeviceSecret): string {
  if (senderId.length === 0 || senderId.length > MAX_ID_BYTES) {
    throw bad(`${field}.sender_id`, `a sender id has 1–${MAX_ID_BYTES} bytes`);
  }
  if (masterSecret.length < MIN_SECRET_BYTES || masterSecret.length > MAX_SECRET_BYTES) {
    const limits = `${MIN_SECRET_BYTES}–${MAX_SECRET_BYTES}`;
    throw bad(`${field}.master_secret`, `a master secret has ${limits} bytes`);
  }
  if (masterSalt.length > MAX_SECRET_BYTES) {
    throw bad(`${field}.master_salt`, `a master salt has at most ${MAX_SECRET_BYTES} bytes`);
  }
  return Buffer.from(senderId).toString("hex");
}

function bad(field: string, message: string): MusterError {
  return new MusterError({ code: "invalid_argument", message, detail: { field } });
}
