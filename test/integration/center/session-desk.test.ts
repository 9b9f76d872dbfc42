// SPDX-License-Identifier: Apache-2.0
/** Sessions as two gateways announce them: fences, takeover, refusals, snapshots. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { deviceJson } from "../../../center/devices/device-record.ts";
import { LinkHub } from "../../../center/link/link-hub.ts";
import { LinkStream } from "../../../center/link/link-stream.ts";
import { Turns } from "../../../runtime/turns.ts";
import { SessionDesk } from "../../../center/link/session-desk.ts";
import { DeviceNames } from "../../../center/state/device-names.ts";
import { FleetTable } from "../../../center/state/fleet-table.ts";
import { siteKey } from "../../../domain/place-loads.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import {
  RefusalReason,
  SessionCloseBatchSchema,
  SessionOpenBatchSchema,
  SessionRevokeReason,
  type ConnectResponse,
} from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const { signal } = new AbortController();
const GAP_MS = 15_000;
const HEARD_BEFORE_MS = 7_000;

class Bench implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly store = openDirectSqliteStore({ path: ":memory:", clock: this.clock });
  readonly hub = new LinkHub({ leaseLifetimeMs: 30_000 });
  readonly revoked = new Set<string>();
  readonly fleet = new FleetTable({
    clock: this.clock,
    isGatewayOnline: () => true,
    gapMs: GAP_MS,
    settleMs: GAP_MS,
    firstFence: 100,
  });
  readonly desk = new SessionDesk({
    turns: new Turns(1),
    store: this.store,
    registry: { heardBeforeMs: () => HEARD_BEFORE_MS },
    fleet: this.fleet,
    names: new DeviceNames(),
    hub: this.hub,
    areRevoked: async (announced) => announced.map(({ serial }) => this.revoked.has(serial)),
    onChange: () => {},
  });

  static async open(): Promise<Bench> {
    const bench = new Bench();
    const device = (id: string, retired = false) => ({
      ordinal: 0,
      tenant: "default",
      id,
      expectedRevision: 0,
      value: deviceJson({
        region: "eu",
        site: id === "till-1" ? "shop" : "",
        labels: {},
        serviceLevel: "",
        critical: id === "till-2",
        retired,
        inventory: {},
        agent: "",
        registeredAtMs: 0,
        ...(id === "till-2" ? { oscoreSenderId: "0b" } : {}),
      }),
    });
    const devices = [device("till-1"), device("till-2"), device("old", true)];
    await bench.store.commit({ devices }, { signal });
    return bench;
  }

  /** A gateway's stream, and what the center sends on it. */
  attach(gatewayNumber: number): { stream: LinkStream; read: () => Promise<ConnectResponse> } {
    const stream = new LinkStream(`gw-${gatewayNumber}`, gatewayNumber);
    this.hub.attach(stream);
    const outgoing = stream.outgoing();
    return {
      stream,
      read: async () => {
        const next = await outgoing.next();
        assert(next.done !== true, "the stream goes on");
        return next.value;
      },
    };
  }

  announce(
    stream: LinkStream,
    devices: readonly string[],
    more: MessageInitShape<typeof SessionOpenBatchSchema> = {},
  ): Promise<void> {
    const batch = create(SessionOpenBatchSchema, {
      localIds: devices.map((_, index) => 10 + index),
      tenants: devices.map(() => "default"),
      devices: [...devices],
      certificateSerials: devices.map((device) => `serial-of-${device}`),
      ...more,
    });
    return this.desk.open(stream, batch, signal);
  }

  close(ordinal: number, fence: number): void {
    const batch = create(SessionCloseBatchSchema, {
      ordinals: [ordinal],
      fences: [BigInt(fence)],
      lastSeenAtMs: [1_000n],
    });
    this.desk.close(batch);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.store.close();
  }
}

describe("a session", () => {
  test("is granted with ordinal and fence, or refused with a reason", async () => {
    await using bench = await Bench.open();
    const one = bench.attach(1);
    bench.revoked.add("serial-of-till-2");
    await bench.announce(one.stream, ["till-1", "till-2", "old", "nobody"]);
    const { kind } = await one.read();
    assert(kind.case === "sessionGrant");
    const { localIds, ordinals, fences, refusals, sites } = kind.value;
    assert.deepEqual(sites, [siteKey("default", "shop"), 0, 0, 0]);
    assert.deepEqual(localIds, [10, 11, 12, 13]);
    assert.deepEqual(ordinals, [1, 0, 0, 0]);
    assert.deepEqual(fences, [100n, 0n, 0n, 0n]);
    assert.deepEqual(refusals, [
      RefusalReason.UNSPECIFIED,
      RefusalReason.REVOKED_CERTIFICATE,
      RefusalReason.RETIRED,
      RefusalReason.UNKNOWN_DEVICE,
    ]);
    assert.equal(bench.fleet.connectedCount, 1);
  });

  test("with OSCORE keys is granted while they are the device's", async () => {
    await using bench = await Bench.open();
    const one = bench.attach(1);
    const certificateSerials = ["oscore:0a", "oscore:0b"];
    await bench.announce(one.stream, ["till-1", "till-2"], { certificateSerials });
    const { kind } = await one.read();
    assert(kind.case === "sessionGrant");
    assert.deepEqual(kind.value.refusals, [
      RefusalReason.REVOKED_CERTIFICATE,
      RefusalReason.UNSPECIFIED,
    ]);
  });

  test("is granted with the word whether its device is critical", async () => {
    await using bench = await Bench.open();
    const one = bench.attach(1);
    const certificateSerials = ["", "oscore:0b", ""];
    await bench.announce(one.stream, ["till-1", "till-2", "nobody"], { certificateSerials });
    const { kind } = await one.read();
    assert(kind.case === "sessionGrant");
    assert.deepEqual(kind.value.critical, [false, true, false]);
  });

  test("elsewhere is taken over: the newer has a higher fence, the older is revoked", async () => {
    await using bench = await Bench.open();
    const [one, two] = [bench.attach(1), bench.attach(2)];
    await bench.announce(one.stream, ["till-2", "till-1"]);
    await one.read();
    await bench.announce(two.stream, ["till-1"]);
    const grant = (await two.read()).kind;
    assert(grant.case === "sessionGrant");
    assert.deepEqual(grant.value.fences, [102n]);
    const revoke = (await one.read()).kind;
    assert(revoke.case === "sessionRevoke");
    const { localIds, fences, reason } = revoke.value;
    assert.deepEqual([localIds, fences], [[11], [101n]], "its own name for the session");
    assert.equal(reason, SessionRevokeReason.TAKEN_OVER);
    assert.deepEqual([bench.fleet.gatewayOf(1), bench.fleet.countOf(1)], [2, 1]);
    assert.equal(bench.fleet.connectedCount, 2);
  });

  test("that began before the one elsewhere is the older, even announced later", async () => {
    await using bench = await Bench.open();
    const [one, two] = [bench.attach(1), bench.attach(2)];
    await bench.announce(one.stream, ["till-1"], { openedMsAgo: [5_000] });
    await one.read();
    await bench.announce(two.stream, ["till-1"], { openedMsAgo: [60_000], snapshotBegin: true });
    const grant = (await two.read()).kind;
    assert(grant.case === "sessionGrant");
    const revoke = (await two.read()).kind;
    assert(revoke.case === "sessionRevoke");
    assert.deepEqual([revoke.value.localIds, revoke.value.fences], [[10], grant.value.fences]);
    assert.equal(revoke.value.reason, SessionRevokeReason.TAKEN_OVER);
    assert.deepEqual([bench.fleet.gatewayOf(1), bench.fleet.fenceOf(1)], [1, 100]);
    await bench.announce(two.stream, ["till-1"]);
    assert.equal(bench.fleet.gatewayOf(1), 2, "where it connected since, it is");
  });

  test("that began before one that has ended is over, whatever its gateway says", async () => {
    await using bench = await Bench.open();
    const [one, two] = [bench.attach(1), bench.attach(2)];
    await bench.announce(one.stream, ["till-1"], { openedMsAgo: [5_000] });
    bench.close(1, 100);
    await bench.announce(two.stream, ["till-1"], { openedMsAgo: [60_000], snapshotBegin: true });
    assert.equal(bench.fleet.presence(1), "offline");
    const kinds = [(await two.read()).kind.case, (await two.read()).kind.case];
    assert.deepEqual(kinds, ["sessionGrant", "sessionRevoke"]);
    await bench.announce(two.stream, ["till-1"]);
    assert.equal(bench.fleet.gatewayOf(1), 2, "where it connected since, it is");
  });

  test("that began before this center started is one like any other", async () => {
    await using bench = await Bench.open();
    const { stream } = bench.attach(1);
    await bench.announce(stream, ["till-1"], { openedMsAgo: [60_000] });
    assert.equal(bench.fleet.presence(1), "online");
  });

  test("is closed under its own fence only", async () => {
    await using bench = await Bench.open();
    const [one, two] = [bench.attach(1), bench.attach(2)];
    await bench.announce(one.stream, ["till-1"]);
    await bench.announce(two.stream, ["till-1"]);
    bench.close(1, 100);
    assert.equal(bench.fleet.presence(1), "online", "the older one's end changes nothing");
    bench.close(1, 101);
    assert.equal(bench.fleet.presence(1), "offline");
    assert.equal(bench.fleet.sawAt(1), 1_000);
  });

  test("again at the same gateway revokes nothing", async () => {
    await using bench = await Bench.open();
    const one = bench.attach(1);
    await bench.announce(one.stream, ["till-1"]);
    await bench.announce(one.stream, ["till-1"]);
    const kinds = [(await one.read()).kind.case, (await one.read()).kind.case];
    assert.deepEqual(kinds, ["sessionGrant", "sessionGrant"]);
    assert.deepEqual([bench.fleet.fenceOf(1), bench.fleet.connectedCount], [101, 1]);
  });
});

describe("a snapshot", () => {
  test("replaces all that was believed of its gateway, and of no other", async () => {
    await using bench = await Bench.open();
    const [one, two] = [bench.attach(1), bench.attach(2)];
    await bench.announce(one.stream, ["till-1"]);
    await bench.announce(two.stream, ["till-2"]);
    const again = bench.attach(1);
    assert(one.stream.isEnded, "the newer stream of a gateway ends the older");
    await bench.announce(again.stream, [], { snapshotBegin: true, snapshotEnd: true });
    assert.deepEqual([bench.fleet.presence(1), bench.fleet.presence(2)], ["unknown", "online"]);
    assert.equal(bench.fleet.connectedCount, 1);
  });

  test("leaves whom it does not name unknown for a gap, then offline", async () => {
    await using bench = await Bench.open();
    await bench.announce(bench.attach(1).stream, ["till-1", "till-2"]);
    const again = bench.attach(1);
    await bench.announce(again.stream, [], { snapshotBegin: true, snapshotEnd: true });
    assert.equal(bench.fleet.sawAt(1), HEARD_BEFORE_MS, "when its gateway was heard from last");
    bench.clock.advance(GAP_MS - 1);
    assert.deepEqual([bench.fleet.presence(1), bench.fleet.presence(2)], ["unknown", "unknown"]);
    await bench.announce(again.stream, ["till-2"]);
    bench.close(2, bench.fleet.fenceOf(2));
    bench.clock.advance(1);
    assert.deepEqual([bench.fleet.presence(1), bench.fleet.presence(2)], ["offline", "offline"]);
  });

  test("may come in several batches", async () => {
    await using bench = await Bench.open();
    const one = bench.attach(1);
    await bench.announce(one.stream, ["till-1", "till-2"]);
    const again = bench.attach(1);
    await bench.announce(again.stream, ["till-1"], { snapshotBegin: true });
    assert.equal(bench.fleet.presence(2), "online", "it may be named yet");
    await bench.announce(again.stream, ["till-2"], { snapshotEnd: true });
    assert.deepEqual([bench.fleet.presence(1), bench.fleet.presence(2)], ["online", "online"]);
    assert.equal(bench.fleet.connectedCount, 2);
  });
});
