// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench codec [-- --quick]`: 10,000 round trips (encode, decode) of a device's status
 * through every codec, and how many bytes each takes:
 *
 * - a status of fifteen fields, and the mission's three (`int64 id, string name, bool active`);
 * - a heartbeat as an agent sends it, by the two codecs that devices may choose, checked as a
 *   gateway checks it.
 *
 * Values are random, ids above 2^53, and each round's result is compared with what went in. Figures
 * are medians of CPU time over rounds in which the codecs take turns; `ratio` is to JSON of the
 * same run. docs/adr/0019-codecs.md draws the conclusion.
 */
import { parseArgs } from "node:util";
import { SeededRandom } from "../../domain/seeded-random.ts";
import { heartbeatCodec } from "../../protocol/device/heartbeat-codecs.ts";
import type { DeviceHeartbeat } from "../../protocol/device/status.ts";
import { printFigure } from "../bench-line.ts";
import type { DeviceStatus, Tag } from "../gen/muster/bench/v1/status_codec.ts";
import { avroStatuses, avroTags } from "./codec/avro-codecs.ts";
import { jsonStatuses, jsonTags } from "./codec/json-codecs.ts";
import { measureCodecs, type Measured, type Subject } from "./codec/measure.ts";
import { randomHeartbeat, randomStatus, randomTag } from "./codec/messages.ts";
import {
  libraryStatuses,
  libraryTags,
  protobufStatuses,
  protobufTags,
} from "./codec/protobuf-codecs.ts";
import { thriftStatuses, thriftTags } from "./codec/thrift-codecs.ts";

const PEER = "JSON";
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    messages: { type: "string", default: "10000" },
  },
});
const messageCount = Number(values.messages);
const rounds = values.quick ? 5 : 21;
const warmUpRounds = values.quick ? 3 : 8;
const random = new SeededRandom(1);

const statuses: Subject<DeviceStatus> = {
  case: "status of 15 fields",
  draw: randomStatus,
  codecs: {
    [PEER]: jsonStatuses,
    Protobuf: protobufStatuses,
    "Protobuf, @bufbuild/protobuf": libraryStatuses,
    "Avro, avsc": avroStatuses,
    "Thrift compact, thrift": thriftStatuses,
  },
};
const tags: Subject<Tag> = {
  case: "3 fields",
  draw: randomTag,
  codecs: {
    [PEER]: jsonTags,
    Protobuf: protobufTags,
    "Protobuf, @bufbuild/protobuf": libraryTags,
    "Avro, avsc": avroTags,
    "Thrift compact, thrift": thriftTags,
  },
};
const heartbeats: Subject<DeviceHeartbeat> = {
  case: "heartbeat of 2 slots, checked",
  draw: randomHeartbeat,
  codecs: { [PEER]: heartbeatCodec("json"), Protobuf: heartbeatCodec("protobuf") },
};

const options = { random, messageCount, rounds, warmUpRounds };
print(statuses.case, measureCodecs(statuses, options));
print(tags.case, measureCodecs(tags, options));
print(heartbeats.case, measureCodecs(heartbeats, options));

function print(name: string, results: readonly Measured[]): void {
  const json = results.find(({ codec }) => codec === PEER);
  if (json === undefined) throw new Error("JSON is measured in every run");
  for (const result of results) {
    const common = { bench: "codec", case: `${name}: ${result.codec}` };
    const figure = (metric: string, unit: string, ours: number, theirs: number): void => {
      const peer = result === json ? {} : { peer: PEER, ratio: ours / theirs };
      printFigure({ ...common, metric, value: ours, unit, ...peer });
    };
    const rate = (ms: number): number => messageCount / ms;
    const count = messageCount.toLocaleString("en-US");
    figure(`${count} round trips`, "ms", result.roundTripMs, json.roundTripMs);
    figure("round trips", "1/ms", rate(result.roundTripMs), rate(json.roundTripMs));
    figure(`${count} encodings`, "ms", result.encodeMs, json.encodeMs);
    figure(`${count} decodings`, "ms", result.decodeMs, json.decodeMs);
    figure("size of one", "bytes", result.meanBytes, json.meanBytes);
  }
}
