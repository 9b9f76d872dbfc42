// SPDX-License-Identifier: Apache-2.0
/** Downloads one artifact as an agent does, over TCP, and says what CPU time that took. */
import { connect } from "node:net";
import { ArtifactDownloader } from "../../../agent/download/artifact-downloader.ts";
import type { DownloadRequest } from "../../../agent/download/downloader.ts";
import { httpsBlobSource } from "../../../agent/download/https-blob-source.ts";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { GatewayCandidates } from "../../../agent/link/gateway-candidates.ts";
import { dataLayout } from "../../../agent/slots/slot-layout.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";

const [folder = "", port = "", request = ""] = process.argv.slice(2);
const layout = dataLayout(folder);
const shared = { files: systemFiles, random: systemRandom, logger: SILENT_LOGGER };
const gateway = { host: "127.0.0.1", mqttsPort: 1, artifactsPort: Number(port) };
const downloader = new ArtifactDownloader({
  ...shared,
  layout,
  clock: systemClock,
  onBytes: () => {},
  source: httpsBlobSource({
    openStream: (to) =>
      new Promise((resolve) => {
        const stream = connect(to.port, to.host, () => resolve(stream));
      }),
  }),
  candidates: new GatewayCandidates({
    ...shared,
    path: layout.directory,
    gateways: [gateway],
    fetchDirectory: () => Promise.reject(new Error("there is one gateway")),
  }),
});
const asked = JSON.parse(request) as Omit<DownloadRequest, "signal">;
const { signal } = new AbortController();
const before = process.cpuUsage();
const result = await downloader.download({ ...asked, signal });
const { user, system } = process.cpuUsage(before);
process.stdout.write(JSON.stringify({ kind: result.kind, cpuMs: (user + system) / 1_000 }));
