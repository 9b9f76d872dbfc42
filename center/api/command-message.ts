// SPDX-License-Identifier: Apache-2.0
/** The subject of a rollout between the wire and the domain: a release, a configuration or
 * a command. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BUILT_INS,
  DEFAULT_COMMAND_TIMEOUT_MS,
  DEFAULT_OUTPUT_LIMIT_BYTES,
  MAX_COMMAND_BYTES,
  MAX_COMMAND_TIMEOUT_MS,
  MAX_OUTPUT_LIMIT_BYTES,
  type Command,
  type CommandWork,
  type SubjectFields,
} from "../../domain/subject.ts";
import type {
  Command as WireCommand,
  CommandSchema,
  RolloutSpec as WireSpec,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { invalid } from "./spec-fields.ts";

/** Throws `invalid_argument` unless the spec has one subject and that is in order. */
export function readSubject(wire: WireSpec): SubjectFields {
  const { release, configuration, command } = wire;
  const isConfiguration = configuration !== "";
  if (isConfiguration && release !== "") {
    throw invalid("spec.configuration", "stands beside a release; a rollout has one");
  }
  const named = isConfiguration ? configuration : release;
  const field = isConfiguration ? "spec.configuration" : "spec.release";
  if (command !== undefined) {
    const beside = isConfiguration ? "configuration" : "release";
    const problem = `stands beside a ${beside}; a rollout has one`;
    if (named !== "") throw invalid("spec.command", problem);
    return { release: "", isConfiguration: false, command: readCommand(command) };
  }
  if (!/^[^@\s]+@[^@\s]+$/.test(named)) {
    throw invalid(field, `${JSON.stringify(named)} is not name@version`);
  }
  return { release: named, isConfiguration, command: null };
}

function readCommand(wire: WireCommand): Command {
  const timeoutMs = Number(wire.timeoutMs) || DEFAULT_COMMAND_TIMEOUT_MS;
  if (timeoutMs > MAX_COMMAND_TIMEOUT_MS) {
    throw invalid("spec.command.timeout", "is longer than a day");
  }
  const outputLimitBytes = wire.outputLimitBytes || DEFAULT_OUTPUT_LIMIT_BYTES;
  if (outputLimitBytes > MAX_OUTPUT_LIMIT_BYTES) {
    const limit = `${MAX_OUTPUT_LIMIT_BYTES} bytes`;
    throw invalid("spec.command.outputLimit", `is more than ${limit}, the most that is kept`);
  }
  return { work: readWork(wire), timeoutMs, outputLimitBytes };
}

function readWork({ run, script, builtIn }: WireCommand): CommandWork {
  const given = [run.length > 0, script !== "", builtIn !== ""].filter(Boolean).length;
  if (given !== 1) {
    throw invalid("spec.command", `has ${given} of run, script and builtIn; it must have one`);
  }
  if (builtIn !== "") {
    const name = BUILT_INS.find((known) => known === builtIn);
    if (name !== undefined) return { kind: "built-in", name };
    const known = BUILT_INS.join(" or ");
    throw invalid("spec.command.builtIn", `${JSON.stringify(builtIn)} is not ${known}`);
  }
  if (script !== "") {
    checkLength("spec.command.script", Buffer.byteLength(script));
    return { kind: "script", script };
  }
  if (run[0] === "") throw invalid("spec.command.run[0]", "names no program");
  checkLength("spec.command.run", Buffer.byteLength(JSON.stringify(run)));
  return { kind: "run", run };
}

/** It travels in the offer of each device. */
function checkLength(field: string, byteCount: number): void {
  if (byteCount <= MAX_COMMAND_BYTES) return;
  const limit = `${MAX_COMMAND_BYTES} bytes, the most that an offer carries`;
  throw invalid(field, `has ${byteCount} bytes, more than ${limit}; publish a release instead`);
}

export function commandMessage(command: Command): MessageInitShape<typeof CommandSchema> {
  const { work, timeoutMs, outputLimitBytes } = command;
  return {
    run: work.kind === "run" ? [...work.run] : [],
    script: work.kind === "script" ? work.script : "",
    builtIn: work.kind === "built-in" ? work.name : "",
    timeoutMs: BigInt(timeoutMs),
    outputLimitBytes,
  };
}
