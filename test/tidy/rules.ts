// SPDX-License-Identifier: Apache-2.0
//
// All tidy rules, by the sentence that each makes true.

import { checkGlobals } from "./globals.ts";
import { checkCycles, checkDeadFiles, checkMissing } from "./graph.ts";
import {
  checkColumns,
  checkDefaultExports,
  checkLength,
  checkLicence,
  checkMachinePaths,
} from "./layout.ts";
import { checkLinks } from "./links.ts";
import { checkDeclared, checkUndeclared } from "./packages.ts";
import { checkRooms } from "./rooms.ts";
import { checkTests } from "./tests.ts";
import type { Rule } from "./tree.ts";

export const rules: Readonly<Record<string, Rule>> = {
  "rooms import only the rooms below them": checkRooms,
  "every import names a file that exists": checkMissing,
  "imports form no cycle": checkCycles,
  "every file is used": checkDeadFiles,
  "every imported package is declared": checkUndeclared,
  "every declared package is used and pinned": checkDeclared,
  "globals stay in the rooms that implement the ports": checkGlobals,
  "a file has at most 400 lines": checkLength,
  "a line has at most 100 columns": checkColumns,
  "every file names its licence": checkLicence,
  "exports have names": checkDefaultExports,
  "no file holds a path of one machine": checkMachinePaths,
  "every test runs and none sleeps": checkTests,
  "links in pages lead somewhere": checkLinks,
};
