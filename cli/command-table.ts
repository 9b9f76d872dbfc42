// SPDX-License-Identifier: Apache-2.0
/**
 * Every command by name, in the order in which help lists them. The file of a command is loaded
 * when it is needed, so that `muster version` does not pay for the others.
 */
import type { CommandEntry } from "./command.ts";

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "demo",
    summary: "Show everything on this machine: a fleet of a thousand and three acts",
    load: () => import("./commands/demo/demo.ts"),
  },
  {
    name: "simulate",
    summary: "Run pretended devices with real sockets and certificates",
    load: () => import("./commands/simulate/simulate.ts"),
  },
  {
    name: "center",
    summary: "Run the center: API, planner, tasks, enrolment",
    load: () => import("./commands/center/center.ts"),
  },
  {
    name: "gateway",
    summary: "Run a gateway: devices of one region connect to it",
    load: () => import("./commands/gateway/gateway.ts"),
    children: [
      {
        name: "enroll",
        summary: "Make a one-time token with which a new gateway gets its certificate",
        load: () => import("./commands/gateway/enroll.ts"),
      },
    ],
  },
  {
    name: "agent",
    summary: "Run the agent of one device: enrol, install, prove, report",
    load: () => import("./commands/agent/agent.ts"),
  },
  {
    name: "apply",
    summary: "Send rollouts, releases and configurations from files to the center",
    load: () => import("./commands/apply/apply.ts"),
  },
  {
    name: "get",
    summary: "List what the center knows, or show one of it",
    children: [
      {
        name: "rollouts",
        summary: "List rollouts, or show one",
        load: () => import("./commands/get/rollouts.ts"),
      },
      {
        name: "releases",
        summary: "List releases, or show one",
        load: () => import("./commands/get/releases.ts"),
      },
      {
        name: "devices",
        summary: "List devices, or show one",
        load: () => import("./commands/get/devices.ts"),
      },
      {
        name: "gateways",
        summary: "List gateways, or show one",
        load: () => import("./commands/get/gateways.ts"),
      },
      {
        name: "attempts",
        summary: "List what each device of a rollout is doing",
        load: () => import("./commands/get/attempts.ts"),
      },
      {
        name: "tokens",
        summary: "List operator tokens, without their secrets",
        load: () => import("./commands/get/tokens.ts"),
      },
    ],
  },
  {
    name: "run",
    summary: "Run a command on devices, in waves, and collect what it printed",
    load: () => import("./commands/run/run.ts"),
  },
  {
    name: "rehearse",
    summary: "Play a rollout beforehand: how long, and how many a bad release would reach",
    load: () => import("./commands/rehearse/rehearse.ts"),
  },
  {
    name: "rollout",
    summary: "Plan, start, watch and stop rollouts",
    children: [
      {
        name: "plan",
        summary: "Freeze the plan and show it: devices, waves, exclusions, worst case",
        load: () => import("./commands/rollout/plan.ts"),
      },
      {
        name: "approve",
        summary: "Approve, or reject, a plan that somebody else had made",
        load: () => import("./commands/rollout/approve.ts"),
      },
      {
        name: "start",
        summary: "Start a planned rollout",
        load: () => import("./commands/rollout/start.ts"),
      },
      {
        name: "watch",
        summary: "Follow a rollout until it ends",
        load: () => import("./commands/rollout/watch.ts"),
      },
      {
        name: "pause",
        summary: "Offer nothing more until it is resumed",
        load: () => import("./commands/rollout/pause.ts"),
      },
      {
        name: "resume",
        summary: "Go on with a paused rollout",
        load: () => import("./commands/rollout/resume.ts"),
      },
      {
        name: "stop",
        summary: "End a rollout where it stands; devices keep what they have",
        load: () => import("./commands/rollout/stop.ts"),
      },
      {
        name: "rollback",
        summary: "Put every device it reached back to what it ran before",
        load: () => import("./commands/rollout/rollback.ts"),
      },
      {
        name: "explain",
        summary: "Say in one sentence why a rollout, or a device in it, is where it is",
        load: () => import("./commands/rollout/explain.ts"),
      },
    ],
  },
  {
    name: "release",
    summary: "Create, sign, verify and export releases on this machine",
    children: [
      {
        name: "create",
        summary: "Make a release bundle from release.yaml and its files",
        load: () => import("./commands/release/create.ts"),
      },
      {
        name: "sign",
        summary: "Sign a bundle with the operator's key, which stays on this machine",
        load: () => import("./commands/release/sign.ts"),
      },
      {
        name: "verify",
        summary: "Check a bundle's digests and signature without the center",
        load: () => import("./commands/release/verify.ts"),
      },
      {
        name: "export",
        summary: "Write a bundle's artifacts as the index and chunk store that casync reads",
        load: () => import("./commands/release/export.ts"),
      },
    ],
  },
  {
    name: "device",
    summary: "Register, enrol, explain and retire devices",
    children: [
      {
        name: "get",
        summary: "Show everything the center knows of one device",
        load: () => import("./commands/device/get.ts"),
      },
      {
        name: "explain",
        summary: "Say in one sentence why a device is not moving",
        load: () => import("./commands/device/explain.ts"),
      },
      {
        name: "enroll",
        summary: "Make a one-time token with which a device gets its certificate",
        load: () => import("./commands/device/enroll.ts"),
      },
      {
        name: "import",
        summary: "Register many devices from a CSV file",
        load: () => import("./commands/device/import.ts"),
      },
      {
        name: "retire",
        summary: "Take a device out of service for good",
        load: () => import("./commands/device/retire.ts"),
      },
    ],
  },
  {
    name: "audit",
    summary: "Read and verify the record of every change",
    children: [
      {
        name: "list",
        summary: "List changes: who, what, when, why",
        load: () => import("./commands/audit/list.ts"),
      },
      {
        name: "verify",
        summary: "Recompute the hash chain of the whole record",
        load: () => import("./commands/audit/verify.ts"),
      },
    ],
  },
  {
    name: "login",
    summary: "Save the address of a center and an operator token",
    load: () => import("./commands/login/login.ts"),
  },
  {
    name: "token",
    summary: "Make, list and revoke operator tokens",
    children: [
      {
        name: "create",
        summary: "Make an operator token; it is shown once",
        load: () => import("./commands/token/create.ts"),
      },
      {
        name: "list",
        summary: "List operator tokens, without their secrets",
        load: () => import("./commands/token/list.ts"),
      },
      {
        name: "revoke",
        summary: "Make an operator token worthless at once",
        load: () => import("./commands/token/revoke.ts"),
      },
    ],
  },
  {
    name: "doctor",
    summary: "Check this machine and the way to the center, and say what to do",
    load: () => import("./commands/doctor/doctor.ts"),
  },
  {
    name: "completion",
    summary: "Print a completion script for bash, zsh or fish",
    load: () => import("./commands/completion/completion.ts"),
  },
  {
    name: "version",
    summary: "Print the version",
    load: () => import("./commands/version/version.ts"),
  },
];
