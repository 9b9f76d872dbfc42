// SPDX-License-Identifier: Apache-2.0
/** DeployService: releases and their artifacts. */
import type { ServiceImpl } from "@connectrpc/connect";
import { MusterError } from "../../domain/errors.ts";
import { MAX_BLOB_BYTES, SHA256_PATTERN } from "../../ports/artifact-store.ts";
import type {
  DeployService,
  UploadArtifactRequest,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { ReleaseRecord } from "../releases/release-index.ts";
import { publishRelease, type ReleasePublisherOptions } from "../releases/release-publisher.ts";
import { actorOf, authorize, pageSizeOf, reasonOf } from "./call.ts";

export interface ReleasesOptions extends ReleasePublisherOptions {
  /** Newest root.json and targets.json, as signed. */
  readonly newestTrust: () => { root: Uint8Array; targets: Uint8Array; targetsVersion: number };
}

type Methods = "uploadArtifact" | "publishRelease" | "listReleases" | "getTrust";

export function releaseMethods(
  options: ReleasesOptions,
): Pick<ServiceImpl<typeof DeployService>, Methods> {
  const { artifacts, releases } = options;
  return {
    uploadArtifact: async (requests, context) => {
      authorize(context, "", "operator");
      const iterator = requests[Symbol.asyncIterator]();
      const header = await readHeader(iterator);
      const { signal } = context;
      const there = await artifacts.stat(header.sha256, { signal });
      if (there !== null) {
        await drain(iterator);
        return { alreadyThere: true };
      }
      await artifacts.put(header, data(iterator), { signal });
      return { alreadyThere: false };
    },
    publishRelease: async (request, context) => {
      const tenant = authorize(context, request.tenant, "operator");
      const who = { actor: actorOf(context), reason: reasonOf(request.mutation) };
      const { manifest, targets } = request;
      const publication = { tenant, manifest, targets, ...who };
      const { release, created } = await publishRelease(options, publication, context.signal);
      return { release: releaseMessage(release), created };
    },
    listReleases: (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      const limit = pageSizeOf(request.pageSize);
      const all = releases.list(tenant);
      const start = request.pageToken === "" ? 0 : Number(request.pageToken);
      const page = all.slice(start, start + limit);
      const next = start + limit;
      return {
        releases: page.map(releaseMessage),
        nextPageToken: next < all.length ? String(next) : "",
      };
    },
    getTrust: (_request, context) => {
      authorize(context, "", "viewer");
      return options.newestTrust();
    },
  };
}

async function readHeader(
  iterator: AsyncIterator<UploadArtifactRequest>,
): Promise<{ sha256: string; lengthBytes: number }> {
  const first = await iterator.next();
  if (first.done === true || first.value.kind.case !== "header") {
    throw invalid("the first message must be the header");
  }
  const { sha256, lengthBytes } = first.value.kind.value;
  if (!SHA256_PATTERN.test(sha256)) throw invalid("sha256 is not 64 lower-case hex characters");
  if (lengthBytes > BigInt(MAX_BLOB_BYTES)) {
    throw new MusterError({
      code: "too_large",
      message: `artifact ${sha256} has ${lengthBytes} bytes; the limit is ${MAX_BLOB_BYTES}`,
    });
  }
  return { sha256, lengthBytes: Number(lengthBytes) };
}

async function* data(iterator: AsyncIterator<UploadArtifactRequest>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return;
    if (next.value.kind.case !== "data") throw invalid("after the header comes only data");
    yield next.value.kind.value;
  }
}

async function drain(iterator: AsyncIterator<UploadArtifactRequest>): Promise<void> {
  while ((await iterator.next()).done !== true);
}

function invalid(problem: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `cannot take the artifact: ${problem}`,
    detail: { field: "header" },
  });
}

function releaseMessage(release: ReleaseRecord): {
  tenant: string;
  name: string;
  version: string;
  slot: string;
  sha256: string;
  downloadBytes: bigint;
  publishedAtMs: bigint;
  publishedBy: string;
  requires: string;
} {
  const { tenant, name, version, slot, sha256, publishedBy } = release;
  return {
    tenant,
    name,
    version,
    slot,
    sha256,
    publishedBy,
    requires: release.floor === "" ? "" : `>=${release.floor}`,
    downloadBytes: BigInt(release.downloadBytes),
    publishedAtMs: BigInt(release.publishedAtMs),
  };
}
