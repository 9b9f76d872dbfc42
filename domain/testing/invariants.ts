// SPDX-License-Identifier: Apache-2.0
/**
 * What must hold in every history, by name: the invariants of the rollout's semantics, each in
 * the parts in which it can be checked. A check says `must(NAME, …)`; what breaks names it.
 */

/** Name → the sentence that must be true. The number is that of the semantics' own list. */
export const INVARIANTS = {
  "in-flight": "1: never more attempts in flight than the plan allows",
  places: "1: nor more at a site or gateway than its limit, over all rollouts",
  "blast-radius": "1: the center never counts more unproven devices than the blast radius",
  "true-exposure": "1: nor are there more in truth, whatever the center counts",
  tokens: "1: nobody accepts an offer whose place was given away",
  "stop-offers": "2: while a rollout does not run, nothing of it leaves center or gateways",
  "stop-epoch": "2: whoever stops or pauses raises the stop epoch; it only grows",
  "stop-accepts": "2: nobody accepts later after a stop than an offer may live",
  generations: "3: a device never goes from a generation to an older one, nor is it offered one",
  "one-end": "4: every planned device ends in exactly one terminal state",
  counts: "4: counts equal what the cells say, counted anew; by state they sum to the plan",
  "report-order": "5: reports in another order, or again, end in the same cells",
  replay: "5: everything that was ever reported, said again at the end, changes nothing",
  gate: "6: no wave opens before its predecessor's gate has passed",
  waves: "6: no device moves before its wave has opened; waves are those of the plan",
  "own-previous": "7: a rollback puts back every device that needs it, each to what it ran itself",
  graph: "the state moves along its graph, and the clock never back",
  phases: "nobody goes back a phase, and nothing is done to an attempt that is decided",
  evidence: "success only after the whole soak of unbroken evidence",
  deadlines: "nobody who can be heard stays in a phase beyond its deadline",
  unheard: "of a device whose gateway is cut off nothing is said",
  failures: "a failure counts, once and for ever",
  exposed: "exposed is who accepted, and nobody else",
  "stop-rule": "a rollout does not run on with as many failures as its limit",
  held: "nothing is offered to a slice that is held",
  cause: "the engine stops or pauses only for what its policy says",
  tries: "a device that refuses is offered again a bounded number of times",
  schedule: "nothing is offered before a rollout's time, nor after it",
  windows: "outside its window nothing begins, and nobody is late for waiting until it opens",
  "one-at-work": "two rollouts are never at work at once where they are not both compatible",
  precedence: "where two rollouts want one slot of a device, the one that outranks the other wins",
  after: "nothing is offered before what goes first has succeeded on that device",
  together: "a group begins when all of it are there; where one has failed the others go back",
  analysis: "nothing goes on without a yes of the analysis, or of a person who has seen its answer",
  approval: "a rollout that awaits approval goes on when it is approved, and not before",
  once: "a device carries a command out at most once",
  plan: "a plan has every device once, and limits no larger than its spec",
  end: "everything comes to an end once everybody is back",
} as const;
export type Invariant = keyof typeof INVARIANTS;

/** Names what does not hold; whoever tells the history says at which event. */
export class BrokenInvariant extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}

export function must(invariant: Invariant, holds: boolean, detail: string): asserts holds {
  if (!holds) throw new BrokenInvariant(invariant, detail);
}
