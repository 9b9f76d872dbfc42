// SPDX-License-Identifier: Apache-2.0
/** What a person reads after the demo: what was seen, act by act, and what to try next. */
import type { ActResult, DemoResult } from "./demo-result.ts";
import { devicesText, gatewaysText } from "../views/stop-reach.ts";
import type { LocalInstallation } from "./local-installation.ts";

export function demoSummary(result: DemoResult): string[] {
  return [
    "",
    `${result.enrolled} devices, each with its own certificate; 3 of them real agents.`,
    ...result.acts.flatMap(actLines),
    "",
    "The real agents' own disks, after each act:",
    ...result.agents.map(({ id, versions }) => `  ${id}: shop ${versions.join(" → ")}`),
    "",
    result.ok ? "Everything was as it should be." : "NOT everything was as it should be.",
  ];
}

function actLines(act: ActResult, index: number): string[] {
  const { planned, succeeded, failed, rolledBack, seconds } = act;
  const end = act.halted
    ? `stopped by the gate after ${failed} failures; ${rolledBack} devices back on what they ran`
    : `${succeeded} of ${planned} devices`;
  const radius =
    `blast radius ${act.blastRadiusActual} of at most ${act.blastRadiusPlanned} devices, ` +
    `${act.unaccounted} unaccounted, ${act.doubleActivations} activated twice`;
  return [
    "",
    `Act ${index + 1}: ${act.name} (${act.release})`,
    `  ${end}, ${seconds} s`,
    `  ${radius}`,
    ...(act.stop === null
      ? []
      : [`  the stop reached ${gatewaysText(act.stop)}, ${devicesText(act.stop)}`]),
  ];
}

/** Commands that work while the demo keeps running. */
export function tryNext(installation: LocalInstallation): string[] {
  const server = `http://127.0.0.1:${installation.center.port("apiPort")}`;
  const tokenFile = installation.at("center/operator/token");
  return [
    "",
    "It keeps running until Ctrl-C. In another terminal:",
    `  npx muster login ${server} --token-file ${tokenFile}`,
    "  npx muster get rollouts",
    "  npx muster get gateways",
    "  npx muster device explain real-3",
    "  npx muster rollout explain shop-2.0.0 --device real-3",
    "  npx muster audit verify",
    `Files of the real agents: ${installation.at("real-1/slots/app")}`,
  ];
}
