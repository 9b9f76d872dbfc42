// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import { parseKafkaLogUrl } from "./log-url.ts";

const PLAIN = { tls: null, sasl: null, partitionCount: null };

describe("the URL of an event log in Kafka", () => {
  test("says brokers and topic; the rest has defaults", () => {
    assert.deepEqual(parseKafkaLogUrl("kafka://a.example:9093,[::1],c/reports"), {
      ...PLAIN,
      brokers: [
        { host: "a.example", port: 9_093 },
        { host: "::1", port: 9_092 },
        { host: "c", port: 9_092 },
      ],
      topic: "reports",
      replication: 3,
      minInSync: 2,
      shown: "kafka://a.example:9093,::1:9092,c:9092/reports",
    });
    assert.equal(parseKafkaLogUrl("kafka://a").topic, "muster-reports");
    assert.equal(parseKafkaLogUrl("kafka://a/").topic, "muster-reports");
    assert.equal(parseKafkaLogUrl("kafka://a?replication=1").minInSync, 1);
  });

  test("may say how the topic is made", () => {
    const url = parseKafkaLogUrl("kafka://a/t?partitions=16&replication=5&min-in-sync=3");
    assert.deepEqual([url.partitionCount, url.replication, url.minInSync], [16, 5, 3]);
  });

  test("may ask for TLS and credentials, which are not shown", () => {
    const url = parseKafkaLogUrl("kafkas://me:a%40b:c@h:1/t?ca=/etc/ca.pem&sasl=plain");
    assert.deepEqual(url.tls, { caFile: "/etc/ca.pem" });
    const expected = { mechanism: "PLAIN", user: "me", password: "a@b:c", passwordFile: null };
    assert.deepEqual(url.sasl, expected);
    assert.equal(url.shown, "kafkas://h:1/t");
    const file = parseKafkaLogUrl("kafka://me@h/t?password-file=/p");
    assert.deepEqual([file.sasl?.mechanism, file.sasl?.passwordFile], ["SCRAM-SHA-512", "/p"]);
  });

  const refused: [string, RegExp][] = [
    ["http://a", /not of the form kafka:/],
    ["kafka://", /not of the form kafka:/],
    ["kafka://a/b/c", /not of the form kafka:/],
    ["kafka://a:0/t", /0 is no port/],
    ["kafka://a:b/t", /a:b is not of the form HOST:PORT/],
    ["kafka://a,/t", /is not of the form HOST:PORT/],
    ["kafka://a/to%20pic", /no name of a topic/],
    ["kafka://a/..", /no name of a topic/],
    ["kafka://a/t?replicas=3", /no parameter replicas, only partitions, replication/],
    ["kafka://a/t?replication=0", /replication=0 is not a number from 1 to 9/],
    ["kafka://a/t?partitions=many", /partitions=many is not a number from 1 to 256/],
    ["kafka://a/t?replication=2&min-in-sync=3", /min-in-sync=3 is more than replication=2/],
    ["kafka://a/t?ca=/x", /ca is for TLS/],
    ["kafka://a/t?sasl=plain", /want a user/],
    ["kafka://me:secret@a/t?sasl=none", /sasl=none is none of plain/],
    ["kafka://me@a/t", /a user has a password/],
    ["kafka://me:secret@a/t?password-file=/p", /a user has a password/],
  ];
  for (const [text, message] of refused) {
    test(`${text} is refused`, () => {
      assert.throws(
        () => parseKafkaLogUrl(text),
        (error) => {
          assert(isMusterError(error));
          assert.equal(error.code, "invalid_argument");
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    });
  }
});
