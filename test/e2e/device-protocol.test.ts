// SPDX-License-Identifier: Apache-2.0
/**
 * docs/reference/device-protocol.md with other people's tools: the shell script in it, taken out of
 * the page and run as it is, is a device of a real installation. What it may not do, it is refused.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openOfferSigner } from "../../center/identity/offer-signer.ts";
import { RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { pageBlocks } from "../helpers/page-blocks.ts";
import { tempDir } from "../helpers/temp-dir.ts";
import { haveTools, runTool, startTool, type ToolResult } from "../helpers/tools.ts";

const PAGE = "docs/reference/device-protocol.md";
const MARK = "sh device.sh";
const TOOLS = ["sh", "openssl", "curl", "mosquitto_pub", "mosquitto_sub"] as const;
const TIMEOUT_MS = 120_000;
const SCRIPT_TIMEOUT_MS = 90_000;

interface Device {
  readonly installation: Installation;
  /** Where the script has run: its key and certificate are here. */
  readonly folder: string;
}

describe("the device of the page, in shell", { timeout: TIMEOUT_MS }, () => {
  it("does its part of a rollout, and nobody else's", async (t) => {
    if (!(await haveTools(t, ...TOOLS))) return;
    await using installation = await startInstallation(t);
    const folder = installation.folder.join("press-7");
    await mkdir(folder);
    const device: Device = { installation, folder };
    await t.test("ends its rollout with success", (test) => runRollout(test, device));
    await t.test("is refused under another device's id", () => tryForeignClientId(device));
    await t.test("is refused on topics of another device or tenant", () =>
      tryForeignTopics(device),
    );
    await t.test("is refused without its certificate", () => tryWithoutCertificate(device));
    await t.test("speaks TLS 1.3 with AES-256-GCM and nothing older", () => tryTls(device));
  });

  it("takes an offer by its proof, whatever the tree, and no other", async (t) => {
    if (!(await haveTools(t, "sh", "openssl"))) return;
    await verifyOffers();
  });
});

async function runRollout(test: TestContext, { installation, folder }: Device): Promise<void> {
  const { operator } = installation;
  const token = await operator.enrolDevice("press-7");
  await operator.enrolDevice("press-8", { region: "elsewhere" });
  const content = randomBytes(50_000);
  const files = { VERSION: "1.0.0\n", "data/content": content };
  const release = await operator.publishRelease({ version: "1.0.0", files });
  await operator.startRollout("first", { release: "app@1.0.0", soakMs: 2_000n });

  await writeFile(join(folder, "device.sh"), (await pageBlocks(PAGE, MARK)).join("\n"));
  await using script = startTool("sh", ["device.sh"], {
    cwd: folder,
    timeoutMs: SCRIPT_TIMEOUT_MS,
    environment: {
      MUSTER_TOKEN: token,
      MUSTER_ENROLMENT_URL: installation.enrolmentUrl,
      MUSTER_HEARTBEAT_SECONDS: "1",
    },
  });
  const tooSoon = script.ended.then(({ status, stderr }) => {
    throw new Error(`the device ended with ${status} before its rollout did: ${stderr}`);
  });
  const rollout = await Promise.race([operator.rolloutEnd("first"), tooSoon]);
  assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);
  assert.deepEqual(rollout.progress?.byState, { succeeded: 1 });

  const current = join(folder, "slots", "app", "current");
  assert.equal(await readFile(join(current, "VERSION"), "utf8"), "1.0.0\n");
  assert.deepEqual(await readFile(join(current, "data", "content")), content);
  const { device } = await operator.client.getDevice({ id: "press-7" });
  assert.equal(device?.inventory["hwRevision"], "a");
  assert.equal(device?.running.find(({ slot }) => slot === "app")?.digest, release.sha256);
  test.diagnostic(`${content.length} bytes installed`);
}

/** mosquitto_pub or mosquitto_sub with the device's certificate. */
function mosquitto(
  { installation, folder }: Device,
  tool: "mosquitto_pub" | "mosquitto_sub",
  words: readonly string[],
): Promise<ToolResult> {
  const port = `${installation.gateway().port("mqttsPort")}`;
  const connection = ["-h", "127.0.0.1", "-p", port, "--cafile", installation.caFile, "-q", "1"];
  return runTool(tool, [...connection, ...words], { cwd: folder });
}

const OWN = ["--cert", "cert.pem", "--key", "key.pem"];
const HELLO = JSON.stringify({
  protocol: 1,
  agent: "somebody-else/1",
  codec: "json",
  inventory: { hwRevision: "stolen" },
  slots: {},
});

async function tryForeignClientId(device: Device): Promise<void> {
  const topic = "muster/v1/default/press-8/up/hello";
  const words = [...OWN, "-i", "press-8", "-t", topic, "-m", HELLO];
  const five = await mosquitto(device, "mosquitto_pub", ["-V", "mqttv5", ...words]);
  assert.equal(five.status, 0x85, five.stderr); // The CONNACK's reason code is the exit status.
  assert.match(five.stderr, /Connection error: Client Identifier not valid/);
  const three = await mosquitto(device, "mosquitto_pub", ["-V", "mqttv311", ...words]);
  assert.equal(three.status, 2, three.stderr);
  assert.match(three.stderr, /Connection Refused: identifier rejected/);
  await assertUntouched(device);
}

async function tryForeignTopics(device: Device): Promise<void> {
  const id = [...OWN, "-i", "press-7"];
  for (const prefix of ["muster/v1/default/press-8", "muster/v1/other/press-7"]) {
    const publish = [...id, "-t", `${prefix}/up/hello`, "-m", HELLO];
    const five = await mosquitto(device, "mosquitto_pub", ["-V", "mqttv5", ...publish]);
    assert.match(five.stderr, /Publish 1 failed: Not authorized/, prefix);
    const three = await mosquitto(device, "mosquitto_pub", ["-V", "mqttv311", ...publish]);
    assert.equal(three.status, 7, three.stderr);
    assert.match(three.stderr, /The connection was lost/, prefix);
    const subscribe = [...id, "-t", `${prefix}/down/offer`, "-W", "10"];
    for (const version of ["mqttv5", "mqttv311"]) {
      const sub = await mosquitto(device, "mosquitto_sub", ["-V", version, ...subscribe]);
      assert.match(sub.stderr, /All subscription requests were denied/, prefix);
    }
  }
  await assertUntouched(device);
}

/** Nobody has spoken for the other device. */
async function assertUntouched({ installation }: Device): Promise<void> {
  const other = await installation.operator.client.getDevice({ id: "press-8" });
  assert.deepEqual(other.device?.inventory, {});
  assert.equal(other.device?.gateway, "");
}

async function tryWithoutCertificate(device: Device): Promise<void> {
  const words = ["-V", "mqttv5", "-i", "press-7", "-t", "muster/v1/default/press-7/up/log"];
  const without = await mosquitto(device, "mosquitto_pub", [...words, "-m", "hello"]);
  assert.notEqual(without.status, 0);
  assert.match(without.stderr, /The connection was lost/);
  await makeForeignCertificate(device.folder);
  const foreign = ["--cert", "foreign.pem", "--key", "foreign.key"];
  const presented = await mosquitto(device, "mosquitto_pub", [...words, ...foreign, "-m", "hello"]);
  assert.notEqual(presented.status, 0);
}

/** A certificate that says the right thing and is signed by nobody that counts. */
async function makeForeignCertificate(folder: string): Promise<void> {
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "foreign.key"];
  const who = ["-subj", "/CN=x", "-addext", "subjectAltName=URI:muster://default/press-7"];
  const words = ["req", "-x509", ...key, ...who, "-days", "2", "-out", "foreign.pem"];
  const made = await runTool("openssl", words, { cwd: folder });
  assert.equal(made.status, 0, made.stderr);
}

const OWN_OPENSSL = ["-cert", "cert.pem", "-key", "key.pem"];

async function tryTls({ installation, folder }: Device): Promise<void> {
  const gateway = installation.gateway();
  const { center } = installation.roles;
  const ports = {
    enrolment: center.port("enrolmentPort"),
    link: center.port("linkPort"),
    mqtts: gateway.port("mqttsPort"),
    artifacts: gateway.port("artifactsPort"),
  };
  for (const [name, port] of Object.entries(ports)) {
    const peer = ["-connect", `localhost:${port}`, "-CAfile", installation.caFile];
    const words = ["s_client", ...peer, "-verify_return_error", ...OWN_OPENSSL];
    const older = await runTool("openssl", [...words, "-tls1_2"], { cwd: folder });
    assert.notEqual(older.status, 0, `${name} on ${port} speaks TLS 1.2`);
    assert.match(older.stderr, /alert protocol version/, name);
    const newest = await runTool("openssl", words, { cwd: folder });
    assert.match(newest.stdout, /^New, TLSv1\.3, Cipher is TLS_AES_256_GCM_SHA384$/m, name);
    assert.match(newest.stdout, /^Verify return code: 0 \(ok\)$/m, name);
  }
}

/** The page's `verify`, on batches that one device alone never sees. */
async function verifyOffers(): Promise<void> {
  await using folder = await tempDir("offers");
  const signer = await openOfferSigner({ directory: folder.join("keys") });
  const keys = [Buffer.alloc(32, 7), signer.publicKeyRaw].map((key) => key.toString("base64"));
  const announced = JSON.stringify({ schema: "muster.offer-keys/v1", keys });
  await writeFile(folder.join("offer-keys.json"), announced);
  const blocks = await pageBlocks(PAGE, MARK);
  const verifier = blocks.filter((block) => /^(?:say|verify)\(\) \{/m.test(block));
  assert.equal(verifier.length, 2, "the page defines what verify needs in two blocks");
  await writeFile(folder.join("verify.sh"), [...verifier, "verify\n"].join("\n"));

  for (const treeSize of [1, 2, 3, 7]) {
    const payloads = Array.from({ length: treeSize }, (_, index) => payloadOf(index));
    const offers = signer.signOffers(payloads, 1_000).map((bytes) => JSON.parse(bytes.toString()));
    const chosen = new Set([0, treeSize >> 1, treeSize - 1]);
    for (const index of chosen) {
      const offer = offers[index] as object;
      const good = await verifyInShell(folder.path, offer);
      assert.equal(good.status, 0, `leaf ${index} of ${treeSize}: ${good.stderr}`);
      assert.deepEqual(
        JSON.parse(await readFile(folder.join("payload.json"), "utf8")),
        payloads[index],
      );
    }
  }
  const [first, second] = signer
    .signOffers([payloadOf(1), payloadOf(2)], 1_000)
    .map((bytes) => JSON.parse(bytes.toString()));
  const forged: [RegExp, object][] = [
    [/not part of what was signed/, { ...first, payload: second.payload }],
    [/not part of what was signed/, { ...first, leafIndex: 1 }],
    [/not part of what was signed/, { ...first, proof: [] }],
    [/the proof is too long/, { ...first, proof: [...first.proof, ...first.proof] }],
    [/no such leaf/, { ...first, leafIndex: 2 }],
    [/does not verify/, { ...first, head: Buffer.from("{}").toString("base64") }],
    [/a key that is not announced/, { ...first, keyId: "00".repeat(32) }],
  ];
  for (const [refusal, offer] of forged) {
    const bad = await verifyInShell(folder.path, offer);
    assert.equal(bad.status, 1, bad.stderr);
    assert.match(bad.stderr, refusal);
  }
}

async function verifyInShell(folder: string, offer: object): Promise<ToolResult> {
  await writeFile(join(folder, "offer.json"), `${JSON.stringify(offer)}\n`);
  const environment = { MUSTER_TOKEN: "none", MUSTER_ENROLMENT_URL: "none" };
  return runTool("sh", ["verify.sh"], { cwd: folder, environment });
}

function payloadOf(position: number): OfferPayload {
  return {
    type: "muster.offer/v1",
    tenant: "default",
    device: `press-${position}`,
    rollout: 1,
    rolloutName: "first",
    position,
    generation: 1,
    stopEpoch: 0,
    slot: "app",
    action: "remove",
    nonce: "A".repeat(22),
    issuedAtMs: 1_000,
    expiresAtMs: 61_000,
  };
}
