// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { duplexPair } from "node:stream";
import { describe, it } from "node:test";
import { connect } from "node:tls";
import { offeredProtocols } from "./client-hello.ts";

/** The first bytes of Node's own client. */
async function helloOf(protocols: readonly string[]): Promise<Buffer> {
  const [device, gateway] = duplexPair();
  const alpn = protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] };
  const socket = connect({ socket: device, servername: "gw-1.example.org", ...alpn });
  socket.on("error", () => {});
  const [first] = (await once(gateway, "data")) as [Buffer];
  socket.destroy();
  return first;
}

describe("the protocols that a client offers", () => {
  it("are read in their order", async () => {
    const hello = await helloOf(["muster-enrolment", "http/1.1"]);
    assert.deepEqual(offeredProtocols(hello), ["muster-enrolment", "http/1.1"]);
  });

  it("are none without the extension", async () => {
    assert.deepEqual(offeredProtocols(await helloOf([])), []);
  });

  it("are waited for as long as the record is not whole", async () => {
    const hello = await helloOf(["mqtt"]);
    for (let length = 0; length < hello.length; length += 1) {
      assert.equal(offeredProtocols(hello.subarray(0, length)), "more");
    }
    assert.deepEqual(offeredProtocols(Buffer.concat([hello, Buffer.of(1, 2)])), ["mqtt"]);
  });

  const others: readonly (readonly [string, string])[] = [
    ["HTTP", "474554202f20485454502f312e310d0a"],
    ["an alert", "1503030002022a"],
    ["a record larger than TLS has", "1603014001"],
    ["a record that ends in the fixed fields", "160301000401000000"],
    ["another message of the handshake", `1603010026${"02".padEnd(76, "0")}`],
    ["a vector that ends behind its message", `1603010027${"01".padEnd(76, "0")}ff`],
  ];
  for (const [what, hex] of others) {
    it(`are none of ${what}`, () => {
      assert.deepEqual(offeredProtocols(Buffer.from(hex, "hex")), []);
    });
  }
});
