// SPDX-License-Identifier: Apache-2.0
//
// `node scripts/deploy-files.ts`: writes deploy/ and the table of docs/guides/host-tuning.md from
// the table that `muster doctor` checks. They are committed; a test fails when they differ.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  HOST_SETTINGS,
  OPEN_FILES,
  settingLine,
  SYSCTL_FILE,
} from "../cli/doctor/host-settings.ts";
import { root } from "./stage.ts";

const GUIDE_FILE = "docs/guides/host-tuning.md";
const TABLE_BEGINS = "<!-- Written by scripts/deploy-files.ts: -->";
const TABLE_ENDS = "<!-- End of what is written. -->";
const HEAD = "# SPDX-License-Identifier: Apache-2.0\n# Written by scripts/deploy-files.ts.\n";

/** Every file by its path from the root. */
export async function renderDeployFiles(): Promise<ReadonlyMap<string, string>> {
  const guide = await readFile(join(root, GUIDE_FILE), "utf8");
  return new Map([
    ["deploy/sysctl/99-muster.conf", renderSysctl()],
    ["deploy/systemd/muster-center.service", renderUnit("center")],
    ["deploy/systemd/muster-gateway.service", renderUnit("gateway")],
    [GUIDE_FILE, withTable(guide)],
  ]);
}

function renderSysctl(): string {
  const lines = HOST_SETTINGS.map(
    (setting) => `# So that ${setting.why}.\n${settingLine(setting)}`,
  );
  return `${HEAD}# Goes to ${SYSCTL_FILE}; then: sysctl --system\n\n${lines.join("\n\n")}\n`;
}

const ROLES = {
  center: { what: "Muster center", after: "network-online.target" },
  gateway: { what: "Muster gateway", after: "network-online.target" },
} as const;

/** Its options are in a file of the operator's: `muster ROLE --config`. */
function renderUnit(role: keyof typeof ROLES): string {
  const { what, after } = ROLES[role];
  return `${HEAD}# Goes to /etc/systemd/system; its options are in /etc/muster/${role}.yaml.
[Unit]
Description=${what}
After=${after}
Wants=${after}

[Service]
ExecStart=/usr/bin/env muster ${role} --data /var/lib/muster/${role} \\
  --config /etc/muster/${role}.yaml
User=muster
StateDirectory=muster/${role}
Restart=always
RestartSec=2
# A connection is a file.
LimitNOFILE=${OPEN_FILES}
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
`;
}

function withTable(guide: string): string {
  const begin = guide.indexOf(TABLE_BEGINS);
  const end = guide.indexOf(TABLE_ENDS);
  if (begin === -1 || end === -1) throw new Error(`${GUIDE_FILE} has no place for the table`);
  const rows = HOST_SETTINGS.map(({ key, wanted, why }) => `| \`${key}\` | ${wanted} | ${why} |`);
  const table = ["| setting | wanted | so that |", "| --- | --- | --- |", ...rows].join("\n");
  return `${guide.slice(0, begin)}${TABLE_BEGINS}\n\n${table}\n\n${guide.slice(end)}`;
}

if (import.meta.main) {
  for (const [path, text] of await renderDeployFiles()) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}
