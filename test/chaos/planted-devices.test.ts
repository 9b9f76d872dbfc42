// SPDX-License-Identifier: Apache-2.0
/**
 * As planted.test.ts, for bugs that need a device to say or do something at a certain moment: a
 * scripted device (scripted-device.ts), or pretended ones with a bug of their own.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, it } from "node:test";
import { until } from "../helpers/until.ts";
import { deviceGroup } from "./fleet.ts";
import { count, PlantedFleet } from "./planted-fleet.ts";
import { ScriptedDevice } from "./scripted-device.ts";

const WAIT_MS = 20_000;
const SUITE_TIMEOUT_MS = 280_000;

describe("a planted bug is found out", { timeout: SUITE_TIMEOUT_MS }, () => {
  let planted: PlantedFleet;
  before(async () => {
    planted = await PlantedFleet.start(deviceGroup("single", "good", 1));
  });
  after(() => planted[Symbol.asyncDispose]());
  afterEach(() => planted.cleanUp());

  const waits = (what: string, check: () => Promise<boolean> | boolean, timeoutMs = WAIT_MS) =>
    until(what, check, { timeoutMs, signal: planted.signal });

  it("when reports are acknowledged before they are durable", async () => {
    const { fleet } = planted;
    const { center } = fleet.installation;
    const trace = fleet.installation.at("center.trace");
    assert.ok(center.isRunning);
    // The center stops itself behind each early promise, and dies behind that of the last word.
    await planted.restart("plant:reports.acknowledge-early,stall:center.reports.promised", trace);
    const name = await planted.rollOut("label.group = single");
    const isPromised = (): boolean =>
      [...fleet.swarm.devices()].every(
        ({ digest, pendingReports }) => digest !== "" && pendingReports === 0,
      );
    for (let stalls = 1; ; stalls++) {
      await waits("the center has stopped itself", async () => {
        const text = await readFile(trace, "utf8").catch(() => "");
        return text.split("center.reports.promised\n").length > stalls;
      });
      const isLast = await waits("the device has said all", isPromised, 1_000).then(
        () => true,
        () => false,
      );
      if (isLast) break;
      fleet.installation.center.signal("SIGCONT");
    }
    await planted.restart("");
    await planted.caught("reports", name);
  });

  it("when a report is filed under another generation", async () => {
    await planted.restart("plant:engine.ignore-generation");
    await using device = await ScriptedDevice.start(planted.fleet, "late", planted.signal);
    const name = await planted.rollOut("label.group = late");
    const first = await device.offer();
    await device.say(first, 1, "rejected", "expired");
    const second = await device.offer(first.generation);
    // It comes again, late: the device was not told that it had arrived.
    await device.say(first, 1, "rejected", "expired");
    await device.offer(second.generation);
    device.accept(second);
    await device.say(second, 1, "accepted");
    await device.activate(second);
    await device.say(second, 2, "installed");
    await planted.caught("reports", name);
  });

  it("when a report that comes again takes effect again", async () => {
    await planted.restart("plant:engine.ignore-sequence");
    await using device = await ScriptedDevice.start(planted.fleet, "again", planted.signal);
    const name = await planted.rollOut("label.group = again", { soakMs: 2_000n });
    const offer = await device.offer();
    device.accept(offer);
    await device.say(offer, 1, "accepted");
    await device.say(offer, 2, "installing");
    await device.activate(offer);
    await device.say(offer, 3, "installed");
    await device.say(offer, 2, "installing");
    const isGivenUp = ({ progress }: { progress?: { failures: number } | undefined }): boolean =>
      (progress?.failures ?? 0) > 0;
    await planted.fleet.lookUntil(name, "has given it up", isGivenUp, WAIT_MS);
    await planted.caught("reports", name);
  });

  it("when an offer that left is taken for one that did not", async () => {
    await planted.restart("plant:dispatch.forget-sent");
    await using one = await ScriptedDevice.start(planted.fleet, "one", planted.signal);
    await using other = await ScriptedDevice.start(planted.fleet, "other", planted.signal);
    const selector = "label.group in (one, other)";
    const name = await planted.rollOut(selector, { maxInFlight: count(1) });
    const isOffered = (): boolean => one.offers().length + other.offers().length > 0;
    await waits("one of them has an offer", isOffered);
    const [holder, next] = one.offers().length > 0 ? [one, other] : [other, one];
    const held = await holder.offer();
    holder.cut();
    const offer = await next.offer();
    next.accept(offer);
    await next.say(offer, 1, "accepted");
    await holder.connect();
    holder.accept(held);
    await holder.say(held, 1, "accepted");
    await planted.caught("in-flight", name);
  });

  it("when a device takes an offer that it has taken before", async () => {
    const { installation } = planted.fleet;
    await installation.gateways.get("gw-1")?.kill();
    const crash = { MUSTER_FAULTS: "crash:gateway.report.received" };
    const gateway = await installation.startGateway("gw-1", crash);
    await using swarm = await planted.swarm("older", { plant: "device.accept-older", part: 101 });
    await planted.rollOut("label.group = older");
    // It is offered again when its gateway is back: nobody knows that it has accepted.
    await gateway.ended();
    await installation.startGateway("gw-1");
    await waits("the device is back", () => swarm.stats().connected === 1);
    await planted.caught("generations", "older-1");
  });

  it("when a device switches again after a restart", async () => {
    const slowly = { checkMs: [3_000, 3_000] } as const;
    {
      await using swarm = await planted.swarm("twice", { plant: "", part: 102, pace: slowly });
      await planted.rollOut("label.group = twice");
      await waits("the device has switched", () => swarm.stats().activations > 0);
    }
    await using _swarm = await planted.swarm("twice", {
      plant: "device.activate-again",
      part: 102,
    });
    await planted.caught("activations", "twice-1");
  });
});
