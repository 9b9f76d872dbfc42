// SPDX-License-Identifier: Apache-2.0
/**
 * A process of its own that downloads one artifact and says how it ended; MUSTER_FAULTS, or whoever
 * started it, may kill it. Arguments: data folder, port of the gateway, JSON of the request.
 */
import type { DownloadRequest } from "../../agent/download/downloader.ts";
import { downloader } from "../integration/agent/download-fixture.ts";

const [folder = "", port = "", request = ""] = process.argv.slice(2);
const gateway = { host: "127.0.0.1", mqttsPort: 1, artifactsPort: Number(port) };
const asked = JSON.parse(request) as Omit<DownloadRequest, "signal">;
const { signal } = new AbortController();
const result = await downloader(folder, [gateway]).download({ ...asked, signal });
process.stdout.write(`${JSON.stringify(result)}\n`);
