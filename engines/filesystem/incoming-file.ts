// SPDX-License-Identifier: Apache-2.0
/** A file being written, as far as the artifact store needs it: four calls, each can fail. */
import { open } from "node:fs/promises";

export interface IncomingFile {
  /** Appends all of the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** What was written is on the disk when it resolves. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Makes a new file at `path`. */
export type CreateIncomingFile = (path: string) => Promise<IncomingFile>;

/** On the disk, readable by this user alone. */
export const createIncomingFile: CreateIncomingFile = async (path) => {
  const file = await open(path, "wx", 0o600);
  return {
    write: async (bytes) => {
      // A disk that fills up may take a part and say so only at the next write.
      for (let written = 0; written < bytes.byteLength;) {
        written += (await file.write(bytes, written)).bytesWritten;
      }
    },
    sync: () => file.sync(),
    close: () => file.close(),
  };
};

/** Makes renames and removals in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return; // It has no way to sync a folder.
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
