// SPDX-License-Identifier: Apache-2.0
/** A Store that may not grow: one clear error, and a center that lives and loses nothing. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { OPERATOR } from "../../../center/api/call.ts";
import { storageMethods } from "../../../center/api/storage.ts";
import { sampleDisk } from "../../../center/tasks/disk-sampler.ts";
import { fromCallError } from "../../../cli/client-errors.ts";
import { judgeStorage } from "../../../cli/doctor/storage-check.ts";
import { isMusterError } from "../../../domain/errors.ts";
import { openDirectEventLog } from "../../../engines/embedded/event-log.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { DeployService } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { memoryArtifacts } from "../../../simulator/world/memory-artifacts.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";
import { startApi, type DeployClient } from "./api-fixture.ts";

const { signal } = new AbortController();
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIB = 2 ** 20;
const MAX_BATCHES = 200;
const BATCH = 500;

/** Registers devices until the Store is full; answers how many there are. */
async function fill(admin: DeployClient): Promise<{ deviceCount: number; failure: unknown }> {
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const devices = Array.from({ length: BATCH }, (_, index) => {
      return { id: `device-${batch}-${index}`, region: "eu", labels: { note: "x".repeat(60) } };
    });
    try {
      await admin.registerDevices({ tenant: "default", devices });
    } catch (failure) {
      return { deviceCount: batch * BATCH, failure };
    }
  }
  assert.fail("the Store grew beyond its limit");
}

describe("a full disk", () => {
  test("is said in one error, nothing is lost, and with room it goes on", async () => {
    await using folder = await tempDir("full");
    const dataDirectory = folder.join("center");
    let before = 0;
    {
      await using small = await startApi({ dataDirectory, maxStoreBytes: 2 * MIB });
      const { deviceCount, failure } = await fill(small.admin);
      const error = fromCallError(failure, "here");
      assert.equal(error.code, "no_space");
      assert.match(error.message, /^cannot commit to the store: the disk is full; nothing was/);
      assert.match(error.detail.hint ?? "", /^free space on that disk; Muster goes on by itself$/);
      const status = await small.admin.getStatus({});
      assert.equal(status.deviceCount, deviceCount, "the center answers, without half a batch");
      const storage = await small.admin.getStorage({});
      assert(storage.availableBytes < BigInt(MIB));
      before = deviceCount;
    }
    await using large = await startApi({ dataDirectory, maxStoreBytes: 20 * MIB });
    assert.equal((await large.admin.getStatus({})).deviceCount, before);
    const devices = [{ id: "one-more", region: "eu" }];
    await large.admin.registerDevices({ tenant: "default", devices });
    assert.equal((await large.admin.getStatus({})).deviceCount, before + 1);
  });
});

test("a full store takes what fits into the room that the same commit frees", async () => {
  await using folder = await tempDir("full");
  const path = folder.join("store.db");
  const clock = new VirtualClock();
  await using store = openDirectSqliteStore({ path, maxFileBytes: MIB, clock });
  const pages: { kind: "attempt"; owner: string; number: number }[] = [];
  const isFull = async (): Promise<boolean> => {
    const id = { kind: "attempt" as const, owner: "1", number: pages.length };
    const page = { ...id, expectedVersion: 0, bytes: new Uint8Array(2_000) };
    return store.commit({ pages: [page] }, { signal }).then(
      () => pages.push(id) === 0,
      (error: unknown) => isMusterError(error) && error.code === "no_space",
    );
  };
  while (!(await isFull()));
  const kept = { kind: "rollout", key: "default/old", expectedRevision: 0 } as const;
  const documents = [{ ...kept, value: "x".repeat(50_000) }];
  await assert.rejects(store.commit({ documents }, { signal }), /the disk is full/);
  const deleted = pages.map((id) => ({ ...id, expectedVersion: 1, bytes: null }));
  assert.equal((await store.commit({ documents, pages: deleted }, { signal })).ok, true);
  assert.deepEqual(await store.loadPages(pages.slice(0, 1_000), { signal }), []);
});

describe("a disk's forecast", () => {
  test("tells what grows, how fast, and when it is full", async () => {
    await using folder = await tempDir("forecast");
    const clock = new VirtualClock();
    const path = folder.join("store.db");
    await using store = openDirectSqliteStore({ path, maxFileBytes: 8 * MIB, clock });
    await using log = openDirectEventLog({ path: ":memory:" });
    const artifacts = memoryArtifacts(new Map());
    const policy = { keepAttemptsMs: DAY_MS, keepRollouts: 1 };
    const methods = storageMethods({ store, log, clock, freeDiskBytes: async () => 2 ** 40 });
    const operator = { tokenId: "t", name: "t", tenant: "*", role: "viewer" } as const;
    const transport = createRouterTransport(
      (router) => void router.service(DeployService, methods),
      {
        router: {
          interceptors: [
            (next) => (request) => {
              request.contextValues.set(OPERATOR, operator);
              return next(request);
            },
          ],
        },
      },
    );
    const client = createClient(DeployService, transport);
    const judge = async (): Promise<ReturnType<typeof judgeStorage>> =>
      judgeStorage(await client.getStorage({}), clock.wallMs());
    assert.match((await judge()).found, /MiB free; it has not been measured yet$/);
    // A page of 64 KiB an hour: 1.5 MiB a day.
    for (let hour = 0; hour < 48; hour++) {
      const id = { kind: "attempt", owner: "1", number: hour, expectedVersion: 0 } as const;
      await store.commit({ pages: [{ ...id, bytes: new Uint8Array(65_536) }] }, { signal });
      await sampleDisk({ store, log, artifacts, policy, clock, signal });
      clock.advance(HOUR_MS);
    }
    const { windowMs, bytesPerDay, fullAtMs, availableBytes, parts } = await client.getStorage({});
    assert.equal(Number(windowMs), 47 * HOUR_MS);
    assert.equal(parts[0]?.name, "page attempt");
    assert.equal(Number(parts[0]?.bytes), 48 * 65_536);
    assert.equal(Number(parts[0]?.bytesPerDay), 24 * 65_536);
    const leftMs = (Number(availableBytes) / Number(bytesPerDay)) * DAY_MS;
    assert(Math.abs(Number(fullAtMs) - clock.wallMs() - leftMs) < 1_000, "free over growth");
    const warned = await judge();
    assert.equal(warned.result, "fail", "less than 256 MiB are left");
    assert.match(
      warned.found,
      /used, .* free; grows by .* a day, measured over 1d 23h: full in 3d 6h, at 2026-01-06 /,
    );
    assert.match(warned.advice, /most of it is page attempt$/);
  });
});
