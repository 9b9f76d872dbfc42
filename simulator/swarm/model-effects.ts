// SPDX-License-Identifier: Apache-2.0
/**
 * What a device model asks of the world around it, and what it writes down. The model does nothing
 * itself: whoever runs it carries out effects, in any order, and answers with the model's inputs.
 */
import type { OfferPayload } from "../../protocol/device/offer.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";
import type { DeviceReport, ReportReason } from "../../protocol/device/report.ts";
import type { Slot } from "../../protocol/device/status.ts";

/** Something the device waits for; given back to `elapsed` when the time is over. */
export type ModelTimer =
  | {
      readonly kind: "attempt";
      readonly slot: Slot;
      readonly generation: number;
      readonly step: "consider" | "install" | "check" | "recover" | "run";
    }
  /** The end of the connection of that number, counted by the model. */
  | { readonly kind: "drop" | "leave"; readonly connection: number };

export type Effect =
  /** Check the release against the operator's signature and fetch its manifest → `prepared`. */
  | { readonly kind: "prepare"; readonly offer: OfferPayload }
  /** Fetch and verify the artifacts → `downloaded`. */
  | {
      readonly kind: "download";
      readonly slot: Slot;
      readonly generation: number;
      readonly manifest: ReleaseManifest;
    }
  /** → `elapsed`. */
  | { readonly kind: "wait"; readonly timer: ModelTimer; readonly delayMs: number }
  /** There are reports that were not sent on this connection. */
  | { readonly kind: "send" }
  /** What heartbeats say has changed: send one now. */
  | { readonly kind: "evidence" }
  /** The connection breaks; the device connects again after the pause (0 = its back-off). */
  | { readonly kind: "drop"; readonly pauseMs: number }
  /** The device says nothing any more; its socket stays open. */
  | { readonly kind: "mute" }
  /** The device says goodbye and does not come back. */
  | { readonly kind: "leave" }
  | { readonly kind: "record"; readonly operation: Operation };

/** What prepared an offer, or why it is refused. */
export type PreparedRelease =
  | { readonly kind: "ready"; readonly manifest: ReleaseManifest | null }
  | RefusedWork;
export type DownloadedRelease = { readonly kind: "ready" } | RefusedWork;
export interface RefusedWork {
  readonly kind: "refused";
  readonly reason: ReportReason;
  readonly detail: string;
}

/** Names an attempt in the journal. */
interface AttemptName {
  readonly slot: Slot;
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
}

/**
 * A line of the journal. `accept` holds the whole offer: a device that starts again goes on with
 * it. `withdrawn`: from here on the offer may not be accepted. `confirm`: the release ran already.
 * `lie`: it will say that it runs what it does not.
 */
export type Operation =
  | ({ readonly op: "accept"; readonly offer: OfferPayload } & AttemptName)
  | ({
      readonly op: "activate" | "restore" | "confirm" | "lie" | "crash" | "silent";
      /** What runs from now on; "" = nothing. */
      readonly digest: string;
      readonly version: string;
    } & AttemptName)
  | ({
      readonly op: "report";
      readonly report: DeviceReport;
      /** An answer of before is sent again, word for word. */
      readonly isRepeat?: true;
    } & AttemptName)
  | { readonly op: "withdrawn"; readonly rollout: number; readonly generation: number }
  | {
      readonly op: "ack";
      readonly rollout: number;
      readonly position: number;
      readonly generation: number;
      readonly sequence: number;
    };
