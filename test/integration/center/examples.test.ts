// SPDX-License-Identifier: Apache-2.0
/** A center applies every example of a rollout as it is, and plans it, beside all the others. */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { releaseKey } from "../../../center/releases/release-index.ts";
import { loadText } from "../../../cli/documents/load-documents.ts";
import { toRolloutSpec } from "../../../cli/documents/rollout-document.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import type { DocumentWrite } from "../../../ports/store.ts";
import { RolloutState } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { root } from "../../../scripts/stage.ts";
import { tempDir, type TempDir } from "../../helpers/temp-dir.ts";
import { startApi, type ApiFixture } from "./api-fixture.ts";
import { digestOf } from "./bench-records.ts";

const { signal } = new AbortController();
const TENANT = "default";
const EXAMPLES = globSync("examples/rollout*.yaml", { cwd: root }).toSorted();

/** What the examples name: [name, version, slot]. */
const PUBLISHED = [
  ["shop", "1.4.0", "app"],
  ["till-settings", "1.2.0", "config"],
  ["firmware", "7.0.0", "os"],
] as const;

/** A center that has published them; their archives are nowhere, for nobody fetches them. */
async function publish(dataDirectory: string): Promise<void> {
  const store = openDirectSqliteStore({
    path: join(dataDirectory, "store.db"),
    clock: systemClock,
  });
  const documents = PUBLISHED.map(([name, version, slot], index): DocumentWrite => {
    const key = releaseKey(TENANT, name, version);
    const sizes = { manifestBytes: 1, downloadBytes: 1 };
    const value = {
      tenant: TENANT,
      name,
      version,
      slot,
      sha256: digestOf(String(index)),
      ...sizes,
    };
    const rest = { fits: {}, floor: "", publishedAtMs: 0, publishedBy: "test" };
    return { kind: "release", key, expectedRevision: 0, value: { ...value, ...rest } };
  });
  const { ok } = await store.commit({ documents }, { signal });
  assert(ok);
  await store.close();
}

describe("the examples", () => {
  let folder: TempDir;
  let api: ApiFixture;
  before(async () => {
    folder = await tempDir("examples");
    await publish(folder.path);
    api = await startApi({ dataDirectory: folder.path });
    const devices = Array.from({ length: 20 }, (_, index) => ({
      id: `till-${index}`,
      region: "eu",
      site: `berlin-${index % 5}`,
      labels: { ring: "early", cell: String(index % 5) },
    }));
    await api.admin.registerDevices({ tenant: TENANT, devices });
    // The one that another example goes after.
    const spec = { release: "firmware@7.0.0", selector: "" };
    await api.admin.applyRollout({ tenant: TENANT, name: "firmware-7", spec });
  });
  after(async () => {
    await api[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  for (const example of EXAMPLES) {
    test(`${example} is applied and planned`, async () => {
      const [loaded] = loadText(await readFile(join(root, example), "utf8"), example);
      assert(loaded?.kind === "rollout");
      const { name } = loaded.document.metadata;
      const spec = toRolloutSpec(loaded.document);
      const applied = await api.admin.applyRollout({ tenant: TENANT, name, spec });
      // A name of its own: whoever applies two examples has two rollouts.
      assert.equal(applied.rollout?.state, RolloutState.DRAFT, example);
      const { rollout } = await api.admin.planRollout({ tenant: TENANT, name });
      assert.equal(rollout?.plan?.deviceCount, 20);
    });
  }
});
