// SPDX-License-Identifier: Apache-2.0
/**
 * What a host of a gateway wants of its kernel: the one table behind `muster doctor`,
 * `deploy/sysctl`, `deploy/systemd` and the guide (`scripts/deploy-files.ts` writes them).
 */

/** Files that one process may have open: a connection is one. */
export const OPEN_FILES = 1_000_000;
/** The system's own: a few for each of those, and everybody else's. */
const ALL_FILES = 2 * OPEN_FILES;

export interface HostSetting {
  /** As `sysctl` names it; its file is below `/proc/sys`, dots being slashes. */
  readonly key: string;
  /** What is written; several numbers as the kernel shows them, with single blanks. */
  readonly wanted: string;
  /** Do these numbers do? */
  readonly does: (found: readonly number[]) => boolean;
  /** Completes "so that …". */
  readonly why: string;
  /** The kernel has it only where something uses it (a firewall that tracks connections). */
  readonly mayBeAbsent?: true;
}

function atLeast(least: number): (found: readonly number[]) => boolean {
  return ([value]) => value !== undefined && value >= least;
}

function atMost(most: number): (found: readonly number[]) => boolean {
  return ([value]) => value !== undefined && value <= most;
}

export const HOST_SETTINGS: readonly HostSetting[] = [
  {
    key: "fs.nr_open",
    wanted: String(OPEN_FILES),
    does: atLeast(OPEN_FILES),
    why: "one process may be given a file for each of its connections",
  },
  {
    key: "fs.file-max",
    wanted: String(ALL_FILES),
    does: atLeast(ALL_FILES),
    why: "all processes together may have them open",
  },
  {
    key: "net.core.somaxconn",
    wanted: "4096",
    does: atLeast(4_096),
    why: "a storm of reconnections waits in the queue instead of being refused",
  },
  {
    key: "net.ipv4.tcp_max_syn_backlog",
    wanted: "4096",
    does: atLeast(4_096),
    why: "as many connections may be half open meanwhile",
  },
  {
    key: "net.core.rmem_max",
    wanted: "8388608",
    does: atLeast(8_388_608),
    why: "a second of the datagrams of a million devices over CoAP waits instead of being lost",
    mayBeAbsent: true,
  },
  {
    key: "net.ipv4.ip_local_port_range",
    wanted: "10000 65535",
    does: ([from, to]) => from !== undefined && to !== undefined && to - from >= 50_000,
    why: "a load balancer or `muster simulate` here can open 50,000 connections to one address",
  },
  {
    key: "net.ipv4.tcp_tw_reuse",
    wanted: "1",
    does: ([value]) => value === 1,
    why: "ports of ended connections are used again at once (2, the default: on loopback only)",
  },
  {
    key: "net.ipv4.tcp_fin_timeout",
    wanted: "15",
    does: atMost(15),
    why: "half-closed connections of devices that vanished are not kept for a minute",
  },
  {
    key: "net.ipv4.tcp_keepalive_time",
    wanted: "300",
    does: atMost(300),
    why: "a dead peer of the uplink or of a download is found in minutes, not in two hours",
  },
  {
    key: "net.ipv4.tcp_keepalive_intvl",
    wanted: "30",
    does: atMost(30),
    why: "it is asked again after half a minute",
  },
  {
    key: "net.ipv4.tcp_keepalive_probes",
    wanted: "5",
    does: atMost(5),
    why: "it is given up after the fifth question",
  },
  {
    key: "net.netfilter.nf_conntrack_max",
    wanted: String(OPEN_FILES),
    does: atLeast(OPEN_FILES),
    why: "the firewall has an entry for each connection, and drops what it has none for",
    mayBeAbsent: true,
  },
];

/** The file that the advice names. */
export const SYSCTL_FILE = "/etc/sysctl.d/99-muster.conf";

/** `net.ipv4.tcp_fin_timeout = 15`: the line to write. */
export function settingLine({ key, wanted }: HostSetting): string {
  return `${key} = ${wanted}`;
}
