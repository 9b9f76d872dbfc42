// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isSharedFilter, topicFilterFault, topicNameFault } from "./topics.ts";

const clauseOfFilter = (filter: string, sharing = true): string | undefined =>
  topicFilterFault(filter, 16, sharing)?.clause;

describe("topic filters", () => {
  test("accept what §4.7.1 gives as valid", () => {
    for (const filter of ["#", "a/#", "+", "+/a/#", "a/+/b", "/+", "+/+", "/", "a//b", "$SYS/#"]) {
      assert.equal(clauseOfFilter(filter), undefined, filter);
    }
  });

  test("refuse what §4.7.1 gives as not valid", () => {
    for (const filter of ["a#", "a/#/b", "#/", "##"]) {
      assert.equal(clauseOfFilter(filter), "MQTT-4.7.1-1", filter);
    }
    for (const filter of ["a+", "+a", "a/+b/c", "++"]) {
      assert.equal(clauseOfFilter(filter), "MQTT-4.7.1-2", filter);
    }
    assert.equal(clauseOfFilter(""), "MQTT-4.7.3-1");
  });

  test("shared subscriptions need a group and a filter", () => {
    for (const filter of ["$share/g/a", "$share/g/#", "$share/g//", "$share/g/+/a"]) {
      assert.equal(clauseOfFilter(filter), undefined, filter);
      assert.ok(isSharedFilter(filter));
    }
    for (const filter of ["$share/", "$share//a"]) {
      assert.equal(clauseOfFilter(filter), "MQTT-4.8.2-1", filter);
    }
    for (const filter of ["$share/g", "$share/g/", "$share/+/a", "$share/g#/a"]) {
      assert.equal(clauseOfFilter(filter), "MQTT-4.8.2-2", filter);
    }
    assert.equal(clauseOfFilter("$share/g/a#"), "MQTT-4.7.1-1");
  });

  test("without sharing $share is a level like others", () => {
    assert.equal(clauseOfFilter("$share/g", false), undefined);
    assert.equal(clauseOfFilter("$share/+/a", false), undefined);
  });

  test("the group of a shared subscription is no level", () => {
    assert.equal(topicFilterFault("$share/g/a/b", 2, true), null);
    assert.equal(topicFilterFault("$share/g/a/b/c", 2, true)?.clause, "limit maxTopicLevels");
  });
});

describe("topic names", () => {
  test("have no wildcards and at least one character", () => {
    assert.equal(topicNameFault("a/b", 16), null);
    assert.equal(topicNameFault("/", 2), null);
    assert.equal(topicNameFault("a/+", 16)?.clause, "MQTT-3.3.2-2");
    assert.equal(topicNameFault("a#", 16)?.clause, "MQTT-3.3.2-2");
    assert.equal(topicNameFault("", 16)?.clause, "MQTT-4.7.3-1");
  });

  test("have at most the levels that are allowed", () => {
    assert.equal(topicNameFault("a/b/c", 3), null);
    assert.equal(topicNameFault("a/b/c", 2)?.clause, "limit maxTopicLevels");
  });
});
