// SPDX-License-Identifier: Apache-2.0
/**
 * Bugs that somebody could write, planted in the domain behind switches that are off in production
 * (`isPlanted("…")`; the code beside each says what it does wrong). Random histories must find each
 * of them: a check that cannot fail proves nothing.
 */

/** Name → what goes wrong. */
export const PLANTED_BUGS = {
  "engine.ignore-generation": "a late report of an older generation takes effect on the newer one",
  "engine.ignore-sequence": "a report that comes again takes effect again",
  "attempt.sent-comes-free": "an offer that left its gateway frees its place when it is given back",
  "attempt.doubt-forgotten": "that a later lease comes back unsent frees what the first had sent",
  "attempt.refusal-exposes": "a device that refuses counts as one that accepted",
  "attempt.endless-tries": "a device that refuses is offered it again for ever",
  "engine.no-evidence": "what a device says is believed without evidence",
  "engine.silence-is-fine": "a device may be silent for ever",
  "sweep.soak-goes-on": "a soak that was interrupted goes on instead of starting again",
  "sweep.unknown-ages": "devices behind a gateway that is cut off are taken for silent",
  "sweep.back-is-settled": "a device still at work counts as back because it runs the old release",
  "sweep.expires-unseen": "an expired offer frees its place though its device may have accepted",
  "sweep.failure-forgiven": "a failure is forgotten when the device does it after all",
  "engine.skip-gate": "the next wave does not wait for the gate of the one before",
  "engine.pause-untold": "a pause does not raise the stop epoch",
  "engine.resume-keeps-reach": "a resume does not begin the reach window anew",
  "engine.one-more": "one device more than allowed is in flight",
  "engine.stop-at-once": "a stop does not wait for offers that have left",
  "gate.one-more-failure": "a rollout stops above its limit of failures, not at it",
  "gate.under-way-passes": "the gate does not wait for attempts that are under way",
  "gate.of-the-whole-wave": "the share of successes is that of the whole wave, offline included",
  "counts.forget-lost": "a device that fell silent does not count as unproven",
  "counts.forget-waiting": "a device that waits for its moment does not count as in flight",
  "planner.rounds-up": "a limit in percent rounds up",
  "rollback.one-version": "all go back to what the first one ran",
  "rollback.keeps-succeeded": "those that succeeded are not put back",
  "rollback.forgets-offered": "those whose answer nobody knows are not put back",
  "precedence.offers-unseen": "an offer that another rollout has out keeps nobody waiting",
  "precedence.one-is-enough": "two slots are worked on at once when one of the rollouts allows it",
  "precedence.newest-wins": "the newer of two rollouts goes first, whatever their priorities",
  "precedence.takes-back": "the rollout that lost a device takes it when the winner is done there",
  "precedence.resumes-blindly": "what was offered before a pause goes on beside who came since",
  "order.stopped-lets-go": "a stopped rollout lets those go that it did not bring there",
  "order.any-end-will-do": "what goes first need not have succeeded on the device, only ended",
  "join.into-the-open-wave": "devices that join are in the wave that is open, whatever the policy",
  "groups.begins-alone": "a group begins while one of it is away",
  "groups.proven-stays": "who has proven the release keeps it when another one of its group fails",
  "way-back.takes-no-place": "who goes back from what it has proven takes no place in the radius",
  "analysis.silence-is-yes": "a wave opens while its analysis has not answered",
  "analysis.any-wave-will-do": "the answer about one wave counts for another",
} as const;
