// SPDX-License-Identifier: Apache-2.0
/**
 * What the programs of a release do on a device: fixed by seed, device and version, so that the
 * same device has the same luck with a version however often it tries.
 */
import { hash53 } from "../../domain/hash.ts";
import { delay } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { ProcessRunner } from "../../agent/process/process-runner.ts";
import { never, type Life } from "./life.ts";

const PROGRAM_MS = 5_000;
/** Beyond every time limit of the release. */
const HANGS_MS = 600_000;

export type Luck = "good" | "install-fails" | "check-fails" | "check-hangs" | "bricks";

/** Of releases that are bad at all: what goes wrong, by its weight. */
const BAD_LUCK: readonly Luck[] = [
  "install-fails",
  "check-fails",
  "check-fails",
  "check-hangs",
  "bricks",
];

export function luckOf(seed: string, device: string, version: string, failingShare: number): Luck {
  const drawn = hash53(seed, `luck of ${device} with ${version}`) / 2 ** 53;
  if (drawn >= failingShare) return "good";
  const kind = hash53(seed, `bad luck of ${device} with ${version}`);
  return BAD_LUCK[kind % BAD_LUCK.length] ?? "check-fails";
}

/** `luck` of the version that the program's last argument names. */
export function pretendedPrograms(options: {
  life: Life;
  random: Random;
  luck: (version: string) => Luck;
  /** Ends the life of the device, for as long as a person needs to come by. */
  brick: () => void;
  record: (what: string) => void;
}): ProcessRunner {
  const { life, random, luck, brick, record } = options;
  return {
    run: async ({ run, timeoutMs, signal }) => {
      const [program = "", version = ""] = run;
      const fate = luck(version);
      const isCheck = program === "check-app";
      if (isCheck && fate === "bricks") {
        record(`is bricked by version ${version}`);
        brick();
        return await never();
      }
      const wantedMs = isCheck && fate === "check-hangs" ? HANGS_MS : random.next() * PROGRAM_MS;
      try {
        await delay(life, Math.min(wantedMs, timeoutMs), signal);
      } catch {
        return { kind: "aborted" };
      }
      if (wantedMs > timeoutMs) return { kind: "timed-out", output: "" };
      const fails = fate === (isCheck ? "check-fails" : "install-fails");
      return { kind: "exited", exitCode: fails ? 1 : 0, output: "" };
    },
  };
}
