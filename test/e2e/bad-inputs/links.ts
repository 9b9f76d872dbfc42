// SPDX-License-Identifier: Apache-2.0
/** What a device may get wrong at its gateway. */
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import type { EnrolledIdentity } from "../../../agent/trust/enrol.ts";
import { encodeConnect } from "../../../protocol/mqtt/connect-encoder.ts";
import { encodePublish } from "../../../protocol/mqtt/encoder.ts";
import type { ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import { encodeSubscribe } from "../../../protocol/mqtt/subscribe-encoder.ts";
import { until } from "../../helpers/until.ts";
import { FixtureAuthority } from "../../integration/gateway/fixture-authority.ts";
import { block, type Area, type BadInput } from "./bad-input.ts";
import { probe, type Probe } from "./mqtt-probe.ts";
import { AGENT, logLines, OTHER_TENANT, SPARE, VISITOR, type World } from "./world.ts";

interface BadDevice extends Omit<Probe, "port" | "tls"> {
  readonly id: string;
  readonly title: string;
  readonly given: string;
  /** Default: those of the spare device. */
  readonly tls?: (world: World, folder: string) => ConnectionOptions | Promise<ConnectionOptions>;
  /** True: the gateway's log says why. */
  readonly isLogged?: boolean;
}

/** A device of somebody else's making, over MQTT with TLS. */
function device(row: BadDevice): BadInput {
  const { id, title, given, tls = ofSpare, isLogged = false, ...packets } = row;
  return {
    id,
    title,
    given,
    act: async (world, folder) => {
      const log = world.installation.at("gw-1.log");
      const { size } = await stat(log);
      const port = world.gateway.port("mqttsPort");
      const answer = await probe({ ...packets, port, tls: await tls(world, folder) });
      const logged = isLogged ? [await refusalIn(log, size, world.signal)] : [];
      const [kind = "", code = ""] = answer.split(" ");
      return {
        outcome: outcomeOf(kind, code, answer),
        message: [answer, ...logged].join("\n"),
      };
    },
  };
}

function outcomeOf(kind: string, code: string, answer: string): string {
  if (kind === "TLS") return "the TLS handshake fails";
  return code.startsWith("0x") ? `${kind} ${code}` : answer;
}

/** The gateway's first line about a refusal, as text. */
async function refusalIn(log: string, offset: number, signal: AbortSignal): Promise<string> {
  let found = "";
  const isThere = async (): Promise<boolean> => {
    for (const { msg, reason, clause, device: who } of await logLines(log, offset)) {
      if (!/refused|fault|foreign/.test(msg ?? "")) continue;
      found = `gateway's log: ${msg}`;
      if (reason !== undefined) found += `: ${reason}`;
      if (clause !== undefined) found += ` [${clause}]`;
      if (who !== undefined) found += ` (${who})`;
      return true;
    }
    return false;
  };
  await until("the gateway's log says why", isThere, { timeoutMs: 5_000, signal });
  return found;
}

function tlsOf(identity: EnrolledIdentity): ConnectionOptions {
  return { cert: identity.certPem, key: identity.keyPem, ca: identity.caPem };
}

function ofSpare(world: World): ConnectionOptions {
  return tlsOf(world.spare);
}

/** A certificate for the device with the agent, by an authority of somebody else's. */
async function ofForeignAuthority(world: World, folder: string): Promise<ConnectionOptions> {
  const authority = await FixtureAuthority.create(join(folder, "authority"));
  const { key, cert } = await authority.device("default", AGENT);
  return { key, cert, ca: world.spare.caPem };
}

function publish(options: {
  topic: string;
  payload: string | Uint8Array;
  level?: ProtocolLevel;
}): Uint8Array {
  const { topic, payload, level = 5 } = options;
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  const message = { topic, payload: bytes, qos: 1, packetId: 1, retain: false, dup: false };
  return encodePublish(level, { ...message, qos: 1 });
}

const NOTHING = new Uint8Array(0);
const SPARE_UP = `muster/v1/default/${SPARE}/up`;
const AGENT_UP = `muster/v1/default/${AGENT}/up`;

/** GET from the artifact listener. */
function download(row: Omit<BadInput, "given" | "act"> & { path: string }): BadInput {
  const { path, ...rest } = row;
  return {
    ...rest,
    given: block("http", `GET ${path}`, "from the gateway, with a device's certificate"),
    act: async (world) => {
      const { status, text } = await get(world, path.replace("{app}", world.appDigest));
      return { outcome: `HTTP ${status}`, message: text };
    },
  };
}

function get(world: World, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const port = world.gateway.port("artifactsPort");
    const request = httpsRequest(
      { host: "localhost", port, path, ...ofSpare(world), agent: false, timeout: 25_000 },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    request.once("error", reject);
    request.end();
  });
}

export const LINKS: Area = {
  alone: true,
  title: "Devices at a gateway",
  intro: `The device is \`${SPARE}\` of the tenant \`default\`, speaks MQTT 5 over TLS 1.3, and
has its certificate, unless a case says otherwise. MQTT answers with a reason code; the gateway's
log says the rest. A 3.1.1 client has no reason codes: its connection is closed.`,
  cases: [
    device({
      id: "mqtt-client-id",
      title: "The client id is another device's",
      given: `CONNECT with the client id \`${AGENT}\``,
      clientId: AGENT,
      isLogged: true,
    }),
    device({
      id: "mqtt-topic-device",
      title: "The topic is another device's",
      given: `PUBLISH to \`${AGENT_UP}/heartbeat\``,
      clientId: SPARE,
      afterwards: publish({ topic: `${AGENT_UP}/heartbeat`, payload: "{}" }),
    }),
    device({
      id: "mqtt-topic-tenant",
      title: "The topic is another tenant's",
      given: `PUBLISH to \`${SPARE_UP}/heartbeat\` by a device of the tenant \`${OTHER_TENANT}\``,
      clientId: VISITOR,
      tls: (world) => tlsOf(world.visitor),
      afterwards: publish({ topic: `${SPARE_UP}/heartbeat`, payload: "{}" }),
    }),
    device({
      id: "mqtt-topic-old",
      title: "The topic is another device's, in MQTT 3.1.1",
      given: `PUBLISH to \`${AGENT_UP}/report\` at level 4`,
      level: 4,
      clientId: SPARE,
      afterwards: publish({ topic: `${AGENT_UP}/report`, payload: "{}", level: 4 }),
      isLogged: true,
    }),
    device({
      id: "mqtt-subscribe",
      title: "It listens to another device's offers",
      given: `SUBSCRIBE to \`muster/v1/default/${AGENT}/down/offer\``,
      clientId: SPARE,
      afterwards: encodeSubscribe(5, {
        packetId: 1,
        subscriptions: [
          {
            filter: `muster/v1/default/${AGENT}/down/offer`,
            qos: 1,
            noLocal: false,
            retainAsPublished: false,
            retainHandling: 0,
          },
        ],
      }),
    }),
    device({
      id: "mqtt-will",
      title: "A will is for another device's topic",
      given: `CONNECT with a will for \`${AGENT_UP}/report\``,
      clientId: SPARE,
      insteadOfConnect: encodeConnect({
        protocolLevel: 5,
        clientId: SPARE,
        cleanStart: true,
        keepAliveSeconds: 10,
        will: { topic: `${AGENT_UP}/report`, payload: NOTHING, qos: 0, retain: false },
      }),
      isLogged: true,
    }),
    device({
      id: "mqtt-retain",
      title: "A message is to be retained",
      given: `PUBLISH with RETAIN to \`${SPARE_UP}/report\``,
      clientId: SPARE,
      afterwards: encodePublish(5, {
        topic: `${SPARE_UP}/report`,
        payload: Buffer.from("{}"),
        qos: 1,
        packetId: 1,
        retain: true,
        dup: false,
      }),
      isLogged: true,
    }),
    device({
      id: "mqtt-large",
      title: "A packet is too large",
      given: `PUBLISH of 1 MiB to \`${SPARE_UP}/log\``,
      clientId: SPARE,
      afterwards: publish({ topic: `${SPARE_UP}/log`, payload: Buffer.alloc(1_048_576, "x") }),
      isLogged: true,
    }),
    device({
      id: "mqtt-report-json",
      title: "A report is not JSON",
      given: `PUBLISH of \`{"rollout":1,\` to \`${SPARE_UP}/report\``,
      clientId: SPARE,
      afterwards: publish({ topic: `${SPARE_UP}/report`, payload: '{"rollout":1,' }),
    }),
    device({
      id: "mqtt-report-phase",
      title: "A report has a phase that is none",
      given: `PUBLISH of a report with \`"phase":"done"\` to \`${SPARE_UP}/report\``,
      clientId: SPARE,
      afterwards: publish({
        topic: `${SPARE_UP}/report`,
        payload: '{"rollout":1,"position":0,"generation":1,"sequence":1,"phase":"done"}',
      }),
    }),
    device({
      id: "mqtt-not-mqtt",
      title: "It does not speak MQTT",
      given: "`SSH-2.0-client` to the port of MQTT",
      clientId: SPARE,
      insteadOfConnect: Buffer.from("SSH-2.0-client\r\n"),
      isLogged: true,
    }),
    device({
      id: "mqtt-gateway-certificate",
      title: "The certificate is a gateway's",
      given: "CONNECT with the certificate of the gateway `gw-1`",
      clientId: SPARE,
      tls: (world) => world.gatewayTls,
      isLogged: true,
    }),
    device({
      id: "tls-authority",
      title: "The certificate is by another authority",
      given: `The certificate names \`muster://default/${AGENT}\`, and another authority signed it`,
      insteadOfConnect: NOTHING,
      clientId: AGENT,
      tls: ofForeignAuthority,
    }),
    device({
      id: "tls-certificate-none",
      title: "There is no certificate",
      given: "CONNECT without a client certificate",
      insteadOfConnect: NOTHING,
      clientId: SPARE,
      tls: (world) => ({ ca: world.spare.caPem }),
    }),
    device({
      id: "tls-version",
      title: "TLS is too old",
      given: "`openssl s_client -tls1_2`",
      clientId: SPARE,
      tls: (world) => ({ ...ofSpare(world), minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }),
    }),
    download({
      id: "artifact-absent",
      title: "No such artifact",
      path: `/artifacts/sha256/${"0".repeat(64)}`,
    }),
    download({
      id: "artifact-digest",
      title: "A digest is none",
      path: "/artifacts/sha256/latest",
    }),
    download({ id: "artifact-path", title: "A path is none", path: "/releases/shop" }),
  ],
};

/** Of the area of full disks: the cache has no room for an artifact that a device asks for. */
export const GATEWAY_FULL: BadInput = {
  ...download({
    id: "full-gateway",
    title: "At the gateway",
    path: "/artifacts/sha256/{app}",
    arrange: (world) => world.disks.fill(world.installation.at("gw-1")),
  }),
  fillsDisk: true,
  restore: async (world) => {
    await world.disks.free(world.installation.at("gw-1"));
    const { status } = await get(world, `/artifacts/sha256/${world.appDigest}`);
    assert.equal(status, 200, "with space again it is cached");
  },
};
