// SPDX-License-Identifier: Apache-2.0
/**
 * What is pushed to devices while the gateway is upgraded: a release to all of them, and commands,
 * to each group of devices the next one as soon as it has answered the one before.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { isMusterError } from "../../../domain/errors.ts";
import { delay } from "../../../ports/clock.ts";
import {
  RolloutState,
  type Rollout,
  type RolloutSpecSchema,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { groupName, RELEASE, type FleetOptions, type UpgradedFleet } from "./fleet.ts";

type Spec = MessageInitShape<typeof RolloutSpecSchema>;

const POLL_MS = 250;
/** Longer than any of this takes: nobody is given up. */
const LONG_MS = 600_000n;
const DEADLINES = {
  reachMs: LONG_MS,
  downloadMs: LONG_MS,
  waitingMs: LONG_MS,
  installMs: LONG_MS,
  verifyMs: LONG_MS,
  offlineGraceMs: LONG_MS,
};
const ALL = { kind: { case: "percent", value: 100 } } as const;
const AT_ONCE = { waves: [ALL], maxInFlight: ALL, blastRadius: ALL, deadlines: DEADLINES };

export class Pushes {
  readonly #fleet: UpgradedFleet;
  readonly #options: FleetOptions;
  readonly #running: Promise<void>[] = [];
  readonly #failure = Promise.withResolvers<never>();
  #isEnding = false;

  constructor(fleet: UpgradedFleet, options: FleetOptions) {
    this.#fleet = fleet;
    this.#options = options;
  }

  /** Rejects when something cannot be pushed. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** Commands to every group, one after the other, until `end`. */
  startCommands(): void {
    for (let group = 0; group < this.#options.groupCount; group += 1) {
      this.#run(this.#commandGroup(group));
    }
  }

  startRelease(): void {
    const release = `${RELEASE.name}@${RELEASE.version}`;
    const selector = "label.takes = releases";
    this.#run(this.#push("release", { release, selector, soakMs: 1_000n, ...AT_ONCE }));
  }

  /** Each group answers one more command; resolves when all that was pushed has ended. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#running);
  }

  #run(work: Promise<void>): void {
    work.catch(this.#failure.reject);
    this.#running.push(work);
  }

  async #commandGroup(group: number): Promise<void> {
    const selector = `label.group = ${groupName(group)}`;
    for (let number = 1, isLast = false; !isLast; number += 1) {
      isLast = this.#isEnding;
      const spec = { command: { run: ["pretend"] }, selector, ...AT_ONCE };
      await this.#push(`command-${group}-${number}`, spec);
    }
  }

  /** Until it has ended, however. */
  async #push(name: string, spec: Spec): Promise<void> {
    const { session } = this.#fleet.installation;
    const { client, call, mutation } = session;
    const rollout = await repeated(async () => {
      const apply = { mutation: mutation("bench"), name, spec, plan: true };
      return (await client.applyRollout(apply, call)).rollout;
    });
    const planDigest = rollout?.plan?.digest ?? "";
    await repeated(() =>
      client.startRollout({ mutation: mutation("bench"), name, planDigest }, call),
    );
    const { clock, interrupt } = this.#options.shell;
    while (!hasEnded(await this.#look(name))) await delay(clock, POLL_MS, interrupt.signal);
  }

  async #look(name: string): Promise<Rollout> {
    const { client, call } = this.#fleet.installation.session;
    const { rollout } = await client.getRollout({ name }, call);
    if (rollout === undefined) throw new Error("assertion failed: the rollout was applied");
    return rollout;
  }
}

/** As an operator who is told that others change things, too. */
async function repeated<Result>(change: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await change();
    } catch (error) {
      if (!isMusterError(error) || error.code !== "conflict") throw error;
    }
  }
}

/** Or rests until a person does something: then a device has failed. */
function hasEnded({ state }: Rollout): boolean {
  return state !== RolloutState.RUNNING;
}
