// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { enrolInMemory } from "../../../agent/trust/enrol.ts";
import { synchroniseTime } from "../../../agent/trust/est-client.ts";
import { connectTls, peerSession } from "../../../agent/trust/peer.ts";
import type { OfferKeys } from "../../../protocol/device/enrolment.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { DAY_MS, deviceTime, startCenter, toCenter } from "./center-fixture.ts";
import type { CenterFixture } from "./center-fixture.ts";

describe("the peer of a connection", () => {
  it("must be a gateway where a gateway is expected", async (context) => {
    const center = await startCenter(context);
    const target = {
      host: "127.0.0.1",
      port: center.port,
      what: "the gateway gw-1",
      caPem: center.authority.caPem,
      workingTimeMs: center.clock.wallMs(),
      signal: center.signal,
      timeoutMs: 10_000,
    };
    await assert.rejects(connectTls({ ...target, expect: "gateway" }), {
      code: "untrusted",
      message: "the certificate of the gateway gw-1 is that of a center, not of a gateway",
    });
    const socket = await connectTls({ ...target, expect: "center" });
    assert.equal(socket.getProtocol(), "TLSv1.3");
    assert.equal(socket.getCipher().name, "TLS_AES_256_GCM_SHA384");
    const ticket = await new Promise<Buffer>((resolve) => socket.once("session", resolve));
    const session = peerSession(socket, ticket)!;
    socket.destroy();
    const resumed = await connectTls({ ...target, expect: "center", session });
    assert.ok(resumed.isSessionReused());
    resumed.destroy();
    // A resumed session is judged like a new one: by role, dates and CA.
    const later = center.clock.wallMs() + 91 * DAY_MS;
    await assert.rejects(connectTls({ ...target, expect: "gateway", session }), {
      message: /is that of a center/,
    });
    await assert.rejects(
      connectTls({ ...target, expect: "center", session, workingTimeMs: later }),
      { message: /ended at/ },
    );
  });

  it("must be within its dates on working time, and always of our CA", async (context) => {
    const center = await startCenter(context);
    const other = await startCenter(context);
    const target = {
      host: "127.0.0.1",
      port: center.port,
      what: "the center",
      expect: "center" as const,
      caPem: center.authority.caPem,
      signal: center.signal,
      timeoutMs: 10_000,
    };
    const nowMs = center.clock.wallMs();
    for (const [workingTimeMs, words] of [
      [nowMs + 91 * DAY_MS, /ended at/],
      [0, /is not valid before .*; working time is 1970-01-01T00:00:00Z/],
    ] as const) {
      await assert.rejects(connectTls({ ...target, workingTimeMs }), {
        code: "untrusted",
        message: words,
      });
    }
    for (const workingTimeMs of [0, nowMs]) {
      const { caPem } = other.authority;
      await assert.rejects(connectTls({ ...target, caPem, workingTimeMs }), {
        code: "untrusted",
        message: /was not issued by this installation/,
      });
    }
  });
});

describe("a device whose clock is wrong", () => {
  it("enrols in 1970 and then takes the signed time", async (context) => {
    const center = await startCenter(context);
    const workingTime = deviceTime(0);
    const token = await center.token("press-04");
    const options = { ...toCenter(center), workingTime };
    const { caPem } = await enrolInMemory({ ...options, token });
    const nowMs = center.clock.wallMs();
    assert.ok(workingTime.nowMs() > nowMs - 400_000, "the certificates raised the floor");
    assert.ok(workingTime.nowMs() <= nowMs - 200_000, "they begin five minutes ago");
    assert.equal(workingTime.isAnchored, false);
    await synchroniseTime({ ...options, caPem, keys: offerKeys(center), random: systemRandom });
    assert.ok(Math.abs(workingTime.nowMs() - center.clock.wallMs()) < 60_000);
    assert.ok(workingTime.isAnchored);
  });

  it("is brought back from ten years ahead", async (context) => {
    const center = await startCenter(context);
    const workingTime = deviceTime(center.clock.wallMs() + 3_650 * DAY_MS);
    const { caPem } = center.authority;
    const options = { ...toCenter(center), workingTime, caPem, random: systemRandom };
    await synchroniseTime({ ...options, keys: offerKeys(center) });
    assert.ok(Math.abs(workingTime.nowMs() - center.clock.wallMs()) < 60_000);
  });

  it("takes no time from a key that is not announced", async (context) => {
    const center = await startCenter(context);
    const other = await startCenter(context);
    const workingTime = deviceTime(0);
    const { caPem } = center.authority;
    const options = { ...toCenter(center), workingTime, caPem, random: systemRandom };
    await assert.rejects(synchroniseTime({ ...options, keys: offerKeys(other) }), {
      code: "untrusted",
      message: /signed by a key that is not announced/,
    });
    assert.equal(workingTime.nowMs(), 0);
  });
});

function offerKeys(center: CenterFixture): OfferKeys {
  const key = center.offerSigner.publicKeyRaw.toString("base64");
  return { schema: "muster.offer-keys/v1", keys: [key] };
}
