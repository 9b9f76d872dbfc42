// SPDX-License-Identifier: Apache-2.0
/** All bad inputs, by area. */
import type { Area } from "./bad-input.ts";
import { CALLERS, REQUESTS } from "./api.ts";
import { DOCUMENTS, SELECTORS } from "./documents.ts";
import { ENROLMENT } from "./enrolment.ts";
import { INSTALLS } from "./installs.ts";
import { LINKS } from "./links.ts";
import { CSV, ROLLOUTS } from "./operations.ts";
import { RELEASES } from "./releases.ts";
import { STARTS } from "./starts.ts";
import { CLOCKS, DISKS } from "./troubles.ts";

/** In the order of the page. */
export const AREAS: readonly Area[] = [
  DOCUMENTS,
  SELECTORS,
  RELEASES,
  ROLLOUTS,
  CSV,
  CALLERS,
  REQUESTS,
  ENROLMENT,
  LINKS,
  STARTS,
  CLOCKS,
  DISKS,
  INSTALLS,
];
