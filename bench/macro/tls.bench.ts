// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench tls [-- --quick | --devices N --rounds N --source | --profile FOLDER]`: what
 * mutual TLS costs one gateway, beside a bare Node server with the same certificates and settings.
 * Each device has a certificate of its own. A run is one server: all devices connect with full
 * handshakes and stay (CPU a handshake, memory a connection), then all close and come back with
 * their tickets (CPU of a resumed handshake).
 *
 * The servers take turns, ours and the floor are a pair; the median of each and of the pairs'
 * ratios is printed. CPU is the server's own, CONNECT and CONNACK and, of ours, the session at the
 * center included.
 */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printFigure } from "../bench-line.ts";
import { buildMuster } from "./gateway/tools.ts";
import { makeDevices } from "./tls/bench-devices.ts";
import { bareTls, musterTls, type TlsServerKind } from "./tls/tls-servers.ts";
import { measureTls, METRICS, type TlsResult } from "./tls/measure-tls.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    devices: { type: "string" },
    rounds: { type: "string" },
    source: { type: "boolean", default: false },
    profile: { type: "string", default: "" },
  },
});
const deviceCount = Number(values.devices ?? (values.quick ? 300 : 10_000));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));

const shared = await mkdtemp(join(tmpdir(), "muster-bench-tls-"));
const program = values.source ? "" : await buildMuster(join(shared, "published"));
console.error(`${deviceCount} devices: making their certificates`);
const devices = await makeDevices(shared, deviceCount);
const pairs: { readonly ours: TlsResult; readonly floor: TlsResult }[] = [];
for (let round = 1; round <= rounds; round += 1) {
  const ours = await runOnce(round, musterTls);
  pairs.push({ ours, floor: await runOnce(round, bareTls) });
}
if (process.env["KEEP"] === undefined) await rm(shared, { recursive: true, force: true });
for (const [metric, unit] of Object.entries(METRICS) as [keyof typeof METRICS, string][]) {
  const what = { bench: "tls", metric, unit };
  const base = `${deviceCount.toLocaleString("en-US")} devices, mutual TLS`;
  const floor = median(pairs.map((pair) => pair.floor[metric]));
  const value = median(pairs.map((pair) => pair.ours[metric]));
  const ratio = median(pairs.map((pair) => pair.ours[metric] / pair.floor[metric]));
  printFigure({ ...what, case: `${base}, ${bareTls.name}`, value: floor });
  printFigure({ ...what, case: `${base}, ${musterTls.name}`, value, peer: bareTls.name, ratio });
}

async function runOnce(round: number, kind: TlsServerKind): Promise<TlsResult> {
  console.error(`round ${round}: ${kind.name}`);
  const folder = await mkdtemp(join(shared, "run-"));
  await cp(join(shared, "ca"), join(folder, "ca"), { recursive: true });
  await using server = await kind.start({ folder, deviceCount, program, profile: values.profile });
  const result = await measureTls(server, devices);
  console.error(JSON.stringify(result));
  return result;
}

function median(all: readonly number[]): number {
  return all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)] ?? NaN;
}
