// SPDX-License-Identifier: Apache-2.0
/**
 * Everything that must hold before an offer is accepted: the operator's signature covers the
 * release (TUF), the manifest is what the offer names, it is for this tenant and slot, this device
 * fits it and can do what it asks. Nothing on the device has changed when the answer is no.
 */
import { createHash } from "node:crypto";
import { isMusterError } from "../domain/errors.ts";
import type { OfferedRelease, OfferPayload } from "../protocol/device/offer.ts";
import { MAX_MANIFEST_BYTES, releaseManifestSchema } from "../protocol/device/release-manifest.ts";
import type { ReleaseManifest } from "../protocol/device/release-manifest.ts";
import { BUILT_INS, type Command } from "../domain/subject.ts";
import type { ReportReason } from "../protocol/device/report.ts";
import { diff, servicesOf } from "./diff.ts";
import type { DiffTarget } from "./diff.ts";
import type { Downloader } from "./download/downloader.ts";
import type { Files } from "./files/files.ts";
import type { Hooks } from "./hooks.ts";
import type { Evidence } from "./slots/evidence.ts";
import { SIDES } from "./slots/slot-layout.ts";
import type { DataLayout, Side } from "./slots/slot-layout.ts";
import type { Journal } from "./state/journal.ts";
import type { Step } from "./steps/step.ts";

export type Refused = {
  readonly kind: "refused";
  readonly reason: ReportReason;
  readonly detail: string;
};
export type Prepared = { readonly kind: "ready"; readonly target: DiffTarget } | Refused;

/** Whether the operator's signed metadata names exactly this release. */
export interface ReleaseTrust {
  /** Throws the signal's reason when it aborts. */
  check(release: OfferedRelease, signal: AbortSignal): Promise<{ readonly kind: "ok" } | Refused>;
}

/** The facts of this device that releases may ask for. */
export type Inventory = { readonly [fact: string]: string };

/** Which commands of the center the owner of the device lets it run. */
export const ALLOWED_COMMANDS = ["off", "built-in", "any"] as const;
export type AllowedCommands = (typeof ALLOWED_COMMANDS)[number];

/** The disk may have lost what an earlier life verified, or another slot's end cleaned it up. */
const READ_TRIES = 3;

export class ReleasePreparer {
  readonly #options: {
    files: Files;
    layout: DataLayout;
    journal: Journal;
    downloader: Downloader;
    trust: ReleaseTrust;
    hooks: Hooks;
    evidence: Evidence;
    inventory: Inventory;
    commands: AllowedCommands;
    bootId: () => Promise<string>;
  };

  constructor(options: {
    files: Files;
    layout: DataLayout;
    journal: Journal;
    downloader: Downloader;
    trust: ReleaseTrust;
    hooks: Hooks;
    evidence: Evidence;
    inventory: Inventory;
    commands: AllowedCommands;
    bootId: () => Promise<string>;
  }) {
    this.#options = options;
  }

  /** What an offer leads to, or why it is refused. Throws what Files throws, and the reason. */
  async prepare(offer: OfferPayload, signal: AbortSignal): Promise<Prepared> {
    const { release, command } = offer;
    if (offer.action === "run" && command !== undefined) return this.#prepareCommand(command);
    if (offer.action === "remove" || release === undefined) {
      return { kind: "ready", target: { action: "remove" } };
    }
    const read = await this.#manifest(release, signal);
    if (read.kind === "refused") return read;
    const { manifest } = read;
    const refusal = this.#misfit(offer, release, manifest) ?? contradictionIn(manifest);
    if (refusal !== null) return refusal;
    return { kind: "ready", target: { action: "install", digest: release.sha256, manifest } };
  }

  async #prepareCommand(command: Command): Promise<Prepared> {
    const { commands, bootId, hooks } = this.#options;
    const { work } = command;
    const isBuiltIn = work.kind === "built-in";
    if (commands === "off" || (commands === "built-in" && !isBuiltIn)) {
      const allowed = commands === "off" ? "none" : BUILT_INS.join(" and ");
      const detail = `this device's owner allows these commands: ${allowed}`;
      return refused("command-forbidden", detail);
    }
    if (isBuiltIn && work.name === "reboot" && !hooks.canReboot) {
      return refused("command-forbidden", "this device has no reboot hook");
    }
    return { kind: "ready", target: { action: "run", command, bootId: await bootId() } };
  }

  /** The steps to a target from what the slot holds now; measures both sides. */
  async plan(
    offer: OfferPayload,
    target: DiffTarget,
    signal: AbortSignal,
  ): Promise<readonly Step[]> {
    const { journal, evidence } = this.#options;
    const wholeSides: Side[] = [];
    for (const side of SIDES) {
      if (await evidence.isWhole(offer.slot, side, signal)) wholeSides.push(side);
    }
    const { active, sides } = journal.slot(offer.slot);
    return diff({ active, sides, wholeSides }, target);
  }

  async #manifest(
    release: OfferedRelease,
    signal: AbortSignal,
  ): Promise<{ readonly kind: "manifest"; readonly manifest: ReleaseManifest } | Refused> {
    const { files, layout, downloader, trust } = this.#options;
    const { sha256, lengthBytes } = release;
    const trusted = await trust.check(release, signal);
    if (trusted.kind === "refused") return trusted;
    if (lengthBytes > MAX_MANIFEST_BYTES) {
      return refused("untrusted-release", `the manifest has ${lengthBytes} bytes, too many`);
    }
    for (let tryCount = 1; tryCount <= READ_TRIES; tryCount += 1) {
      const result = await downloader.download({ sha256, lengthBytes, signal });
      if (result.kind === "failed") return refused(result.reason, result.detail);
      const text = (await files.readText(layout.download(sha256), MAX_MANIFEST_BYTES)) ?? "";
      if (createHash("sha256").update(text).digest("hex") === sha256) return parseManifest(text);
      await files.remove(layout.download(sha256));
    }
    return refused("digest-mismatch", "the disk does not give the manifest back as it was written");
  }

  /** Null when the release is for this slot of this device. */
  #misfit(offer: OfferPayload, release: OfferedRelease, manifest: ReleaseManifest): Refused | null {
    const { name, version, tenant, slot } = manifest;
    if (name !== release.name || version !== release.version || tenant !== offer.tenant) {
      const names = `${tenant}/${name} ${version}`;
      return refused("untrusted-release", `the manifest is that of ${names}, not of the offer`);
    }
    if (slot !== offer.slot) {
      return refused("untrusted-release", `the release is for slot ${slot}, not ${offer.slot}`);
    }
    for (const [fact, allowed] of Object.entries(manifest.fits)) {
      const own = this.#options.inventory[fact];
      if (own !== undefined && allowed.includes(own)) continue;
      const has = own === undefined ? "does not state it" : `has ${JSON.stringify(own)}`;
      const detail = `the release fits ${fact} = ${allowed.join(" or ")}; this device ${has}`;
      return refused("does-not-fit", detail);
    }
    const services = servicesOf(manifest);
    if (services.length > 0 && !this.#options.hooks.canRestartServices) {
      const detail = `the release restarts ${services.join(", ")}; this device has no service hook`;
      return refused("does-not-fit", detail);
    }
    return null;
  }
}

/** A manifest that no steps can be made of, found out before anything is accepted. */
function contradictionIn(manifest: ReleaseManifest): Refused | null {
  const empty = { active: "none", sides: { a: null, b: null }, wholeSides: [] } as const;
  try {
    diff(empty, { action: "install", digest: "", manifest });
    return null;
  } catch (error) {
    if (!isMusterError(error)) throw error;
    return refused("untrusted-release", `${error.message} (${error.detail.field ?? "manifest"})`);
  }
}

function parseManifest(
  text: string,
): { readonly kind: "manifest"; readonly manifest: ReleaseManifest } | Refused {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refused("untrusted-release", "the manifest is not JSON");
  }
  const parsed = releaseManifestSchema.safeParse(json);
  if (parsed.success) return { kind: "manifest", manifest: parsed.data };
  const issue = parsed.error.issues[0];
  const where = issue?.path.join(".") ?? "";
  return refused("untrusted-release", `the manifest is wrong: ${where}: ${issue?.message ?? ""}`);
}

function refused(reason: ReportReason, detail: string): Refused {
  return { kind: "refused", reason, detail };
}
