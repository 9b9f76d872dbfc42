// SPDX-License-Identifier: Apache-2.0
/** What an operator does with an installation, for tests: devices in, releases in, rollouts out. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DeployClient, Session } from "../../cli/client.ts";
import { createBundle } from "../../cli/release/create-bundle.ts";
import { publishBundle } from "../../cli/release/publish-bundle.ts";
import { signBundle } from "../../cli/release/sign-bundle.ts";
import type { Progress } from "../../cli/progress/progress.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import {
  RolloutState,
  type Release,
  type Rollout,
  type RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";

/** Longer than any rollout of a test: a watch that does not end fails by name. */
const ROLLOUT_TIMEOUT_MS = 60_000;

const ENDED: ReadonlySet<RolloutState> = new Set([
  RolloutState.SUCCEEDED,
  RolloutState.STOPPED,
  RolloutState.ROLLED_BACK,
  RolloutState.EXPIRED,
]);

export interface DevicePlace {
  readonly region?: string;
  readonly site?: string;
  readonly labels?: { readonly [name: string]: string };
}

/** A release made of files; by default one archive with them, unpacked into the slot folder. */
export interface ReleaseContent {
  readonly name?: string;
  readonly version: string;
  readonly slot?: "os" | "app" | "config";
  /** Content by path in the archive; files below `bin/` are executable. */
  readonly files?: { readonly [path: string]: string | Uint8Array };
  readonly fits?: { readonly [fact: string]: readonly string[] };
  /** Program and arguments, run in the slot folder. */
  readonly healthCheck?: readonly string[];
}

export interface Operator {
  readonly client: DeployClient;
  readonly session: Session;
  /** Registers a device (if it is new) and makes its enrolment token. */
  enrolDevice(device: string, place?: DevicePlace): Promise<string>;
  /** Makes, signs, uploads and publishes a release. */
  publishRelease(content: ReleaseContent): Promise<Release>;
  /** Applies, plans and starts a rollout; what is left out of the spec has the center's default. */
  startRollout(
    name: string,
    spec: MessageInitShape<typeof RolloutSpecSchema> & { release: string },
  ): Promise<Rollout>;
  /** Watches a rollout until it has ended; fails when it does not. */
  rolloutEnd(name: string, timeoutMs?: number): Promise<Rollout>;
}

/** `keyFile`: the key that signs releases. `folder` takes what is made on the way. */
export function openOperator(options: {
  session: Session;
  keyFile: string;
  folder: string;
}): Operator {
  const { session, keyFile, folder } = options;
  const { client } = session;
  return {
    client,
    session,
    enrolDevice: async (device, { region = "local", site = "", labels = {} } = {}) => {
      await client.registerDevices({ devices: [{ id: device, region, site, labels }] });
      const { tokens } = await client.enrolDevices({ devices: [device] });
      assert.ok(tokens[0] !== undefined, "one token for one device");
      return tokens[0];
    },
    publishRelease: (content) => publishRelease({ session, keyFile, folder, content }),
    startRollout: async (name, spec) => {
      await client.applyRollout({ name, spec: { selector: "region = local", ...spec } });
      await client.planRollout({ name });
      const { rollout } = await client.startRollout({ name });
      assert.ok(rollout !== undefined, "a started rollout is answered");
      return rollout;
    },
    rolloutEnd: (name, timeoutMs = ROLLOUT_TIMEOUT_MS) => rolloutEnd(session, name, timeoutMs),
  };
}

async function rolloutEnd(session: Session, name: string, timeoutMs: number): Promise<Rollout> {
  const signal = AbortSignal.any([session.call.signal, AbortSignal.timeout(timeoutMs)]);
  let last: Rollout | undefined;
  try {
    for await (const { rollout } of session.client.watchRollout({ name }, { signal }))
      last = rollout;
  } catch (cause) {
    const states = Object.entries(RolloutState);
    const state = states.find(([, number]) => number === last?.state)?.[0] ?? "not known";
    throw new Error(`rollout ${name} did not end within ${timeoutMs} ms, it is ${state}`, {
      cause,
    });
  }
  assert.ok(last !== undefined && ENDED.has(last.state), `the watch of ${name} ends with it`);
  return last;
}

async function publishRelease(options: {
  session: Session;
  keyFile: string;
  folder: string;
  content: ReleaseContent;
}): Promise<Release> {
  const { session, keyFile, content } = options;
  const folder = await mkdtemp(join(options.folder, "release-"));
  await packFiles(join(folder, "content"), join(folder, "app.tar.gz"), content);
  const documentFile = join(folder, "release.yaml");
  await writeFile(documentFile, JSON.stringify(releaseDocument(content)));
  const { signal } = session.call;
  const bundle = await createBundle({ documentFile, out: null, folder, signal });
  const trust = await session.client.getTrust({});
  await signBundle({
    bundle,
    trust: { rootBytes: trust.root, targetsBytes: trust.targets },
    keyPem: await readFile(keyFile, "utf8"),
    keyFile,
    nowMs: systemClock.wallMs(),
  });
  const reason = "published by a test";
  const { release } = await publishBundle({ session, bundle, reason, progress: QUIET });
  assert.ok(release !== undefined, "a published release is answered");
  return release;
}

/** Writes the files and packs them with the system's tar, as an author of releases would. */
async function packFiles(root: string, archive: string, content: ReleaseContent): Promise<void> {
  const files = content.files ?? { VERSION: content.version };
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), bytes, { mode: path.startsWith("bin/") ? 0o755 : 0o644 });
  }
  await promisify(execFile)("tar", ["-czf", archive, "-C", root, "."]);
}

function releaseDocument(content: ReleaseContent): object {
  const { name = "app", version, slot = "app", fits, healthCheck } = content;
  return {
    apiVersion: "muster/v1",
    kind: "Release",
    metadata: { name, version },
    spec: {
      slot,
      ...(fits === undefined ? {} : { fits }),
      artifacts: [{ name: "app", file: "app.tar.gz" }],
      steps: [{ kind: "archive", artifact: "app", to: "." }],
      ...(healthCheck === undefined
        ? {}
        : {
            healthCheck: { run: healthCheck, timeout: "5s", attempts: 2, interval: "100ms" },
          }),
    },
  };
}

const QUIET: Progress = {
  bar: () => ({ update: () => {}, setTotal: () => {}, finish: () => {} }),
  line: () => {},
  status: () => {},
  [Symbol.dispose]: () => {},
};
