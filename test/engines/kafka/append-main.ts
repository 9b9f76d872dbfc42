// SPDX-License-Identifier: Apache-2.0
/** A process that appends one record: `node append-main.ts URL TEXT`. */
import { openLog } from "./kafka-under-test.ts";

const [, , url = "", text = ""] = process.argv;
await using log = await openLog(url);
const { signal } = new AbortController();
await log.append([{ partition: 0, bytes: Buffer.from(text) }], { signal });
