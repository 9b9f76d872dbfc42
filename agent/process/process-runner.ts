// SPDX-License-Identifier: Apache-2.0
/**
 * Running a program as a port: the operating system's processes in production, a script of answers
 * in tests and simulation.
 */

/** Kept of a program's output, from its end: the last words say most. Fits a report's detail. */
export const MAX_OUTPUT_CHARACTERS = 1_500;

export interface ProcessRequest {
  /** Program and arguments; a program with a slash is found relative to `folder`. */
  readonly run: readonly string[];
  readonly folder: string;
  /** All that the program gets besides PATH, HOME, LANG, TZ, USER. */
  readonly environment: { readonly [name: string]: string };
  readonly timeoutMs: number;
  /**
   * False: when the program ends, what it left running in its process group is ended too, so that
   * nothing goes on writing where a release is measured. True for the service hook, whose point is
   * to start something; its output is not kept then.
   */
  readonly mayLeaveProcesses: boolean;
  /** Gets what the program prints, as it prints it; then the result has no output. */
  readonly output?: (chunk: Buffer) => void;
  /** Ends the whole process group at once. */
  readonly signal: AbortSignal;
}

export type ProcessResult =
  | { readonly kind: "exited"; readonly exitCode: number; readonly output: string }
  | { readonly kind: "signalled"; readonly signalName: string; readonly output: string }
  | { readonly kind: "timed-out"; readonly output: string }
  /** No such program, not executable, no such folder. */
  | { readonly kind: "not-started"; readonly why: string }
  | { readonly kind: "aborted" };

export interface ProcessRunner {
  run(request: ProcessRequest): Promise<ProcessResult>;
}

/** A sentence for a person about an ending that is not success. */
export function describeProcessResult(run: readonly string[], result: ProcessResult): string {
  const name = run.join(" ").slice(0, 200);
  switch (result.kind) {
    case "exited":
      return withOutput(`${name} ended with status ${result.exitCode}`, result.output);
    case "signalled":
      return withOutput(`${name} was ended by ${result.signalName}`, result.output);
    case "timed-out":
      return withOutput(`${name} did not end in time and was stopped`, result.output);
    case "not-started":
      return `${name} could not be started: ${result.why}`;
    case "aborted":
      return `${name} was stopped because the agent stops`;
  }
}

function withOutput(sentence: string, output: string): string {
  return output === "" ? sentence : `${sentence}; its last output: ${output.trim()}`;
}
