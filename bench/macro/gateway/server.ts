// SPDX-License-Identifier: Apache-2.0
/** A server under measurement: what the bench asks of ours and of each peer. */

export interface ServerOptions {
  /** A folder of this run's own. */
  readonly folder: string;
  readonly deviceCount: number;
  /** The command `muster`; "" = of the source, which takes 27 MB more than what is published. */
  readonly program: string;
  /** Of the gateway alone: where its CPU profile goes; "" = none. */
  readonly profile: string;
}

/** A kind of server. */
export interface ServerKind {
  readonly name: string;
  /** Builds or installs what it needs; a sentence when it cannot be measured here, else null. */
  prepare(): Promise<string | null>;
  start(options: ServerOptions): Promise<Server>;
}

/** One that runs; disposing ends its processes. */
export interface Server extends AsyncDisposable {
  /** Of the process that is measured. */
  readonly pid: number;
  /** Plain MQTT on loopback. */
  readonly port: number;
  /** Resolves when whoever stands behind it knows all devices, too. */
  readonly settled: () => Promise<void>;
  /** Sends each device one command, and says when it began, ns of CLOCK_MONOTONIC; or cannot. */
  readonly push: (() => Promise<bigint>) | null;
  /** Reports that whoever stands behind it has stored; null: nobody stands there. */
  readonly storedReports: (() => Promise<number>) | null;
}
