// SPDX-License-Identifier: Apache-2.0
import { after, before } from "node:test";
import { eventLogContract } from "../../../ports/contract/event-log.ts";
import { startKafka, type KafkaServer } from "../../../scripts/servers/kafka.ts";
import { openLogOn } from "./kafka-under-test.ts";

let server: KafkaServer;

before(async () => {
  server = await startKafka();
});

after(() => server[Symbol.asyncDispose]());

eventLogContract({ name: "Kafka", open: () => openLogOn(server), isLocal: false });
