// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemFiles } from "../files/system-files.ts";
import { Backoff } from "./backoff.ts";
import type { Connection, Dialled } from "./connection.ts";
import { gatewayName, readGatewayAddress } from "./gateway-address.ts";
import { GatewayCandidates } from "./gateway-candidates.ts";
import { LinkManager } from "./link-manager.ts";

const TO = (reference: string): Dialled => ({ kind: "redirected", reference });

const CONNECTION: Connection = {
  serverKeepAliveMs: null,
  closed: new Promise(() => {}),
  send: () => Promise.resolve({ kind: "taken" }),
  close: () => Promise.resolve(),
};

/** Runs until the device is connected; the gateways that were dialled, in order. */
async function dialled(options: {
  readonly known: readonly string[];
  /** What each dial comes to, by the gateway's name; the first of a list, then the next. */
  readonly answers: { readonly [gateway: string]: (Dialled | Error)[] };
}): Promise<string[]> {
  const stop = new AbortController();
  const asked: string[] = [];
  const random = { next: () => 0, bytes: (length: number) => new Uint8Array(length) };
  const gateways = options.known.map((name) => {
    const address = readGatewayAddress(name);
    assert(address !== null);
    return address;
  });
  const manager = new LinkManager({
    clock: systemClock,
    logger: SILENT_LOGGER,
    backoff: new Backoff({ random, ceilingMs: 0 }),
    candidates: new GatewayCandidates({
      files: systemFiles,
      path: "never-written",
      random,
      logger: SILENT_LOGGER,
      gateways,
      fetchDirectory: () => Promise.reject(new Error("the list is the operator's")),
    }),
    dialer: {
      dial: ({ gateway }) => {
        const name = gatewayName(gateway);
        asked.push(name);
        const answer = options.answers[name]?.shift() ?? new Error("there is nobody");
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    },
    observer: {
      linkUp: () => {},
      linkDown: () => {},
      dialFailed: () => {},
      linkExhausted: () => {},
    },
    onExhausted: () => Promise.resolve(),
    onMessage: () => Promise.resolve(),
    useConnection: () => {
      stop.abort();
      return Promise.resolve("enough");
    },
  });
  await manager.run(stop.signal);
  return asked;
}

const CONNECTED: Dialled = { kind: "connected", connection: CONNECTION };

describe("a link", () => {
  test("goes where a gateway that is full sends it, known or not", async () => {
    const asked = await dialled({
      known: ["a:1", "b:1"],
      answers: { "a:1": [TO("b:1")], "b:1": [TO("c:1")], "c:1": [CONNECTED] },
    });
    assert.deepEqual(asked, ["a:1", "b:1", "c:1"]);
  });

  test("follows three in a row and no more, then goes round its list", async () => {
    const circle = [TO("b:1"), TO("b:1"), TO("b:1")];
    const asked = await dialled({
      known: ["a:1", "z:1"],
      answers: { "a:1": [TO("b:1")], "b:1": circle, "z:1": [CONNECTED] },
    });
    assert.deepEqual(asked, ["a:1", "b:1", "b:1", "b:1", "z:1"]);
  });

  test("does not stay with a gateway that sends it to one that is not there", async () => {
    const asked = await dialled({
      known: ["a:1", "b:1", "z:1"],
      answers: { "a:1": [TO("b:1")], "b:1": [new Error("refused")], "z:1": [CONNECTED] },
    });
    assert.deepEqual(asked, ["a:1", "b:1", "z:1"]);
  });

  test("takes what is no address for a failure", async () => {
    const asked = await dialled({
      known: ["a:1", "z:1"],
      answers: { "a:1": [TO("not an address")], "z:1": [CONNECTED] },
    });
    assert.deepEqual(asked, ["a:1", "z:1"]);
  });
});
