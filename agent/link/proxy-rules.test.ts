// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import { readProxyRules } from "./proxy-rules.ts";

const TARGET = { host: "gw-1.example.org", port: 443 };
const PROXY = { host: "proxy.site", port: 3128, credentials: null };
const HTTPS_PROXY = "http://proxy.site:3128";

describe("the proxy of a connection", () => {
  it("is none when nobody names one", () => {
    assert.equal(readProxyRules(undefined, {})(TARGET), null);
    assert.equal(readProxyRules(undefined, { HTTPS_PROXY: "" })(TARGET), null);
    assert.equal(readProxyRules(undefined, { HTTP_PROXY: HTTPS_PROXY })(TARGET), null);
  });

  it("is that of the environment, the lower-case name first", () => {
    assert.deepEqual(readProxyRules(undefined, { HTTPS_PROXY })(TARGET), PROXY);
    const both = { HTTPS_PROXY: "http://other:1", https_proxy: HTTPS_PROXY };
    assert.deepEqual(readProxyRules(undefined, both)(TARGET), PROXY);
  });

  it("is that of the option before all, which may say none", () => {
    const environment = { HTTPS_PROXY: "http://other:1" };
    assert.deepEqual(readProxyRules(HTTPS_PROXY, environment)(TARGET), PROXY);
    assert.equal(readProxyRules("none", environment)(TARGET), null);
  });

  it("is none for this machine where the environment names it", () => {
    for (const host of ["localhost", "127.0.0.1", "::1"]) {
      assert.equal(readProxyRules(undefined, { HTTPS_PROXY })({ host, port: 443 }), null);
      assert.deepEqual(readProxyRules(HTTPS_PROXY, {})({ host, port: 443 }), PROXY);
    }
  });

  it("is read without a scheme, from an IPv6 address, with credentials", () => {
    assert.deepEqual(readProxyRules("proxy.site:3128", {})(TARGET), PROXY);
    const address = readProxyRules("http://[2001:db8::1]:8080/", {})(TARGET);
    assert.deepEqual(address, { host: "2001:db8::1", port: 8080, credentials: null });
    const secret = readProxyRules("http://till:p%40ss@proxy.site:3128", {})(TARGET);
    assert.deepEqual(secret, { ...PROXY, credentials: "till:p@ss" });
    const odd = readProxyRules("http://till:100%@proxy.site:3128", {})(TARGET);
    assert.deepEqual(odd, { ...PROXY, credentials: "till:100%" });
    assert.equal(readProxyRules("http://proxy.site", {})(TARGET)?.port, 80);
  });

  for (const text of ["https://proxy:3128", "socks5://proxy:1080", "proxy", "http://a:1/path"]) {
    it(`is not ${text}`, () => {
      for (const [option, environment, field] of [
        [text, {}, "--proxy"],
        [undefined, { HTTPS_PROXY: text }, "HTTPS_PROXY"],
      ] as const) {
        assert.throws(
          () => readProxyRules(option, environment),
          (error: unknown) => isMusterError(error) && error.detail.field === field,
        );
      }
    });
  }

  const EXCEPTIONS: readonly (readonly [string, string, number, "direct" | "proxy"])[] = [
    ["*", "gw-1.example.org", 443, "direct"],
    ["example.org", "example.org", 443, "direct"],
    ["example.org", "gw-1.EXAMPLE.org", 443, "direct"],
    ["example.org", "notexample.org", 443, "proxy"],
    [".example.org", "gw-1.example.org", 443, "direct"],
    [".example.org", "example.org", 443, "proxy"],
    ["*.example.org", "gw-1.example.org", 443, "direct"],
    ["localhost, gw-1.example.org:443", "gw-1.example.org", 443, "direct"],
    ["localhost, gw-1.example.org:443", "gw-1.example.org", 8883, "proxy"],
    ["192.0.2.7", "192.0.2.7", 443, "direct"],
    ["192.0.2.0/24 10.0.0.0/8", "10.1.2.3", 443, "direct"],
    ["192.0.2.0/24", "192.0.3.1", 443, "proxy"],
    ["192.0.2.7:443", "192.0.2.7", 443, "direct"],
    ["2001:db8::/32", "2001:db8::1", 443, "direct"],
    ["[2001:db8::1]:443", "2001:db8::1", 443, "direct"],
    ["192.0.2.0/33, 10.0.0.0/, ,", "192.0.2.1", 443, "proxy"],
  ];
  for (const [noProxy, host, port, way] of EXCEPTIONS) {
    it(`NO_PROXY=${noProxy}: ${way} to ${host}:${port}`, () => {
      const proxy = readProxyRules(HTTPS_PROXY, { NO_PROXY: noProxy })({ host, port });
      assert.deepEqual(proxy, way === "proxy" ? PROXY : null);
    });
  }
});
