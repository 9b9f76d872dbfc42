// SPDX-License-Identifier: Apache-2.0
//
// Every server that an engine of ours speaks to.

import { postgres } from "./postgres.ts";
import type { ServerKind } from "./server.ts";

export const SERVERS: readonly ServerKind[] = [postgres];
