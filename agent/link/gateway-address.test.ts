// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import { gatewayName, parseGatewayAddress } from "./gateway-address.ts";

describe("a gateway's address", () => {
  it("is read from host and two ports", () => {
    const address = parseGatewayAddress("gateway-1.example.org:8883:7444", "--gateway");
    assert.deepEqual(address, {
      host: "gateway-1.example.org",
      mqttsPort: 8883,
      artifactsPort: 7444,
    });
  });

  it("may have one port for both", () => {
    const address = parseGatewayAddress("gateway-1.example.org:443", "--gateway");
    assert.deepEqual(address, {
      host: "gateway-1.example.org",
      mqttsPort: 443,
      artifactsPort: 443,
    });
  });

  it("may be an IPv6 address in brackets", () => {
    const address = parseGatewayAddress("[2001:db8::1]:8883:7444", "--gateway");
    assert.equal(address.host, "2001:db8::1");
    assert.equal(gatewayName(address), "[2001:db8::1]:8883");
  });

  for (const text of [
    "",
    "host",
    "host:",
    "host:1:",
    "host:1:2:3",
    "host:0:1",
    "host:1:65536",
    "a b:1:2",
  ]) {
    it(`is refused when it is ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseGatewayAddress(text, "--gateway"),
        (error: unknown) => isMusterError(error) && error.detail.field === "--gateway",
      );
    });
  }
});
