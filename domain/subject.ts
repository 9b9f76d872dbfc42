// SPDX-License-Identifier: Apache-2.0
/**
 * What a rollout brings to its devices, and what that asks of the engine. A release is proven by
 * evidence (the right digest, healthy, for the soak) and can be taken back. So is a configuration,
 * which is a release of the slot that nothing else fills. A command leaves no digest: the report of
 * how it ended is all the proof there is, and nothing takes it back.
 */

/** What a command does; one kind each. */
export type CommandWork =
  /** A program and its arguments, without a shell. */
  | { readonly kind: "run"; readonly run: readonly string[] }
  /** A text that the device's `sh` reads. */
  | { readonly kind: "script"; readonly script: string }
  | { readonly kind: "built-in"; readonly name: BuiltIn };

/** What agents can do by themselves. */
export const BUILT_INS = ["reboot", "collect"] as const;
export type BuiltIn = (typeof BUILT_INS)[number];

export interface Command {
  readonly work: CommandWork;
  /** From its start; then its whole process group is ended. */
  readonly timeoutMs: number;
  /** Bytes kept of what it prints: half from the beginning, half from the end. */
  readonly outputLimitBytes: number;
}

export const DEFAULT_COMMAND_TIMEOUT_MS: number = 5 * 60_000;
export const MAX_COMMAND_TIMEOUT_MS: number = 24 * 3_600_000;
export const DEFAULT_OUTPUT_LIMIT_BYTES: number = 64 * 1_024;
export const MAX_OUTPUT_LIMIT_BYTES: number = 64 * 1_024;
/** Of program and arguments, or of a script: a command travels in each device's offer. */
export const MAX_COMMAND_BYTES = 4_096;
/** How long after the end of its time a device may still say how a command ended. */
const COMMAND_ANSWER_MS = 60_000;

export type Subject =
  | { readonly kind: "release"; readonly release: string }
  | { readonly kind: "configuration"; readonly release: string }
  | { readonly kind: "command"; readonly command: Command };

/** The slot of configurations. */
export const CONFIGURATION_SLOT = "config";

/** The fields of a spec that say what its subject is. */
export interface SubjectFields {
  /** `name@version` of a release or a configuration; "" = the subject is a command. */
  readonly release: string;
  readonly isConfiguration: boolean;
  readonly command: Command | null;
}

export function subjectOf(spec: SubjectFields): Subject {
  const { command, isConfiguration, release } = spec;
  if (command !== null) return { kind: "command", command };
  return { kind: isConfiguration ? "configuration" : "release", release };
}

/** What a spec says of a command instead of what an operator may say of a release. */
export function commandTerms({ timeoutMs }: Command): {
  readonly soakMs: number;
  readonly installMs: number;
  readonly onStop: "pause";
} {
  // A device that says nothing for so long has fallen silent.
  return { soakMs: 0, installMs: timeoutMs + COMMAND_ANSWER_MS, onStop: "pause" };
}

/** False: what the device reports is the proof, and there is nothing to put back. */
export function needsEvidence(spec: SubjectFields): boolean {
  return subjectOf(spec).kind !== "command";
}
