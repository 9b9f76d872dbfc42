// SPDX-License-Identifier: Apache-2.0
/** DeployService: what takes room in the center's data folder, and when its disk is full. */
import type { ServiceImpl } from "@connectrpc/connect";
import { forecastDisk } from "../../domain/disk-forecast.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLog } from "../../ports/event-log.ts";
import type { Store } from "../../ports/store.ts";
import type { DeployService } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { readDiskRecord } from "../tasks/disk-sampler.ts";
import { authorize } from "./call.ts";

export interface StorageOptions {
  readonly store: Store;
  readonly log: EventLog;
  readonly clock: Clock;
  /** Of the disk that the data folder is on. */
  readonly freeDiskBytes: () => Promise<number>;
}

export function storageMethods(
  options: StorageOptions,
): Pick<ServiceImpl<typeof DeployService>, "getStorage"> {
  const { store, log, clock } = options;
  return {
    getStorage: async (_request, context) => {
      authorize(context, "", "viewer");
      const { signal } = context;
      const { samples, retention } = await readDiskRecord(store, signal);
      const space = await store.space({ signal });
      const events = await log.space({ signal });
      const freeBytes = await options.freeDiskBytes();
      const belowLimit = (space.limitBytes ?? Number.POSITIVE_INFINITY) - space.fileBytes;
      // What is free inside a server's files is not on this disk.
      const reusableInStore = space.isRemote ? 0 : (space.reusableBytes ?? 0);
      const reusableBytes = reusableInStore + (events?.reusableBytes ?? 0);
      const availableBytes = Math.max(0, Math.min(freeBytes, belowLimit)) + reusableBytes;
      const now = { atMs: clock.wallMs(), availableBytes };
      const forecast = forecastDisk(samples, now);
      return {
        sampledAtMs: BigInt(samples.at(-1)?.atMs ?? 0),
        usedBytes: BigInt(forecast?.usedBytes ?? 0),
        availableBytes: BigInt(availableBytes),
        reusableBytes: BigInt(reusableBytes),
        bytesPerDay: BigInt(forecast?.bytesPerDay ?? 0),
        windowMs: BigInt(forecast?.windowMs ?? 0),
        fullAtMs: BigInt(forecast?.fullAtMs ?? 0),
        retentionBytes: BigInt(retention.bytes),
        retentionByMs: BigInt(retention.byMs),
        parts: (forecast?.parts ?? []).map(({ part, bytes, bytesPerDay }) => {
          return { name: part, bytes: BigInt(bytes), bytesPerDay: BigInt(bytesPerDay ?? 0) };
        }),
      };
    },
  };
}
