// SPDX-License-Identifier: Apache-2.0
/**
 * Asks the center, while it works, what `muster get rollouts`, `rollout watch` and `device explain`
 * ask, one question after the other, and says at the end how long the answers took. A process of
 * its own: in the bench's own a slow answer could be a busy bench. Its parent starts it with the
 * questions' addressee as its argument, and ends it by a message.
 */
import { createSession } from "../../../cli/client.ts";
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import type { AnswerTimes, Asked } from "./asker.ts";
import { deviceId } from "./fleet-store.ts";

const REST_MS = 20;

const asked = JSON.parse(process.argv[2] ?? "{}") as Asked;
const over = new AbortController();
process.once("message", () => over.abort());
const times = await ask();
process.send?.(times);
process.disconnect?.();

async function ask(): Promise<AnswerTimes> {
  const interrupt = { signal: new AbortController().signal, drain: () => undefined };
  const { client } = createSession({
    shell: { random: systemRandom, interrupt },
    connection: { server: asked.server, token: asked.token, caPem: null, tenant: "default" },
  });
  const name = asked.rollout;
  const questions: Record<keyof AnswerTimes, (round: number) => Promise<unknown>> = {
    get: () => client.listRollouts({}),
    watch: async () => {
      for await (const _ of client.watchRollout({ name })) return;
    },
    explain: (round) =>
      client.explainDevice({ id: deviceId(1 + ((round * 7_919) % asked.devices)) }),
  };
  const answers: AnswerTimes = { get: [], watch: [], explain: [] };
  for (let round = 0; !over.signal.aborted; round++) {
    for (const kind of ["get", "watch", "explain"] as const) {
      const startedAtMs = performance.now();
      // A center that was killed answers nothing: its way back is another figure.
      const isAnswered = await questions[kind](round).then(
        () => true,
        () => false,
      );
      if (isAnswered) answers[kind].push(performance.now() - startedAtMs);
      await delay(systemClock, REST_MS, over.signal).catch(() => undefined);
    }
  }
  return answers;
}
