// SPDX-License-Identifier: Apache-2.0
/**
 * What a device may ask of its gateway over CoAP (docs/reference/coap.md):
 *
 * | resource | method | is |
 * | --- | --- | --- |
 * | /v1/hello | POST | the beginning of a session: `up/hello` |
 * | /v1/hello | DELETE | its end |
 * | /v1/heartbeat, /v1/report, /v1/log | POST | `up/heartbeat`, `up/report`, `up/log` |
 * | /v1/offer | GET, with Observe | `down/offer` |
 * | /.well-known/core | GET | these, in link format (RFC 6690) |
 */
import { Code, MessageType } from "../../../protocol/coap/codes.ts";
import {
  blockOption,
  decodeBlock,
  optionUint,
  optionValue,
  uintOption,
  type Block,
} from "../../../protocol/coap/option-values.ts";
import { ContentFormat, OptionNumber } from "../../../protocol/coap/options.ts";
import { MAX_HEARTBEAT_BYTES, MAX_HELLO_BYTES } from "../../../protocol/device/status.ts";
import { MAX_REPORT_BYTES } from "../../../protocol/device/report.ts";
import type { UpChannel } from "../../../protocol/device/topics.ts";
import { MAX_LOG_BYTES } from "../../pipeline/device-messages.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { deviceKey } from "../../sessions/session-table.ts";
import { contentReply } from "./block-reply.ts";
import type { BodyAssembler } from "./body-assembler.ts";
import type { CoapContext } from "./coap-context.ts";
import { plainReply, type CoapReply, type DeviceRequest } from "./coap-request.ts";
import type { CoapSession } from "./coap-session.ts";
import type { CoapSessions } from "./coap-sessions.ts";
import type { RefusedDevices } from "./refused-devices.ts";
import type { ReplyWriter } from "./reply-writer.ts";

interface UpResource {
  readonly channel: UpChannel;
  readonly contentFormats: readonly number[];
  readonly maxBytes: number;
}

const UP_RESOURCES: ReadonlyMap<string, UpResource> = new Map([
  ["v1/hello", upResource("hello", MAX_HELLO_BYTES)],
  ["v1/heartbeat", upResource("heartbeat", MAX_HEARTBEAT_BYTES)],
  ["v1/report", upResource("report", MAX_REPORT_BYTES)],
  ["v1/log", upResource("log", MAX_LOG_BYTES)],
]);
const HELLO_PATH = "v1/hello";
const OFFER_PATH = "v1/offer";
export const DISCOVERY_PATH = ".well-known/core";

const LINKS: string = [
  ...[...UP_RESOURCES].map(
    ([path, { contentFormats }]) => `</${path}>;ct=${listed(contentFormats)}`,
  ),
  `</${OFFER_PATH}>;ct=${ContentFormat.Json};obs`,
].join(",");

function upResource(channel: UpChannel, maxBytes: number): UpResource {
  const text = channel === "log" ? ContentFormat.Text : ContentFormat.Json;
  // Protobuf has no number of its own. What it is says the hello.
  const contentFormats = channel === "heartbeat" ? [text, ContentFormat.OctetStream] : [text];
  return { channel, contentFormats, maxBytes };
}

/** RFC 6690 §2, RFC 7252 §7.2.1. */
function listed(formats: readonly number[]): string {
  return formats.length === 1 ? String(formats[0]) : `"${formats.join(" ")}"`;
}

/** How long a device is asked to wait when the gateway has no room for what it sent, s. */
const RETRY_AFTER_SECONDS = 5;

export interface DeviceResourcesOptions extends CoapContext {
  readonly sessions: CoapSessions;
  readonly bodies: BodyAssembler;
  readonly refused: RefusedDevices;
  readonly writer: ReplyWriter;
}

export class DeviceResources {
  readonly #context: CoapContext;
  readonly #sessions: CoapSessions;
  readonly #bodies: BodyAssembler;
  readonly #refused: RefusedDevices;
  readonly #writer: ReplyWriter;
  #takesHellos = true;

  constructor(options: DeviceResourcesOptions) {
    this.#context = options;
    this.#sessions = options.sessions;
    this.#bodies = options.bodies;
    this.#refused = options.refused;
    this.#writer = options.writer;
  }

  /** The gateway shuts down: devices are to say hello elsewhere. */
  stopAccepting(): void {
    this.#takesHellos = false;
  }

  handle(request: DeviceRequest): void {
    const session = this.#sessions.find(request);
    if (session !== null) {
      this.#context.presence.seen(session.slot);
      const { columns } = this.#sessions;
      if (request.isVerified) columns.verify(session.slot, request.source);
      else request.isVerified = columns.isVerified(session.slot, request.source);
    }
    const path = pathOf(request);
    const resource = UP_RESOURCES.get(path);
    if (resource !== undefined) return this.#handleUp(request, session, path, resource);
    if (path === OFFER_PATH) return this.#handleOffer(request, session);
    if (path === DISCOVERY_PATH) return this.#handleDiscovery(request);
    this.#writer.reply(request, plainReply(Code.NotFound));
  }

  #handleUp(
    request: DeviceRequest,
    session: CoapSession | null,
    path: string,
    resource: UpResource,
  ): void {
    if (request.code === Code.Delete && path === HELLO_PATH) {
      if (session === null) return this.#writer.reply(request, NO_SESSION);
      session.close("closed");
      return this.#writer.reply(request, plainReply(Code.Deleted));
    }
    if (request.code !== Code.Post) {
      return this.#writer.reply(request, plainReply(Code.MethodNotAllowed));
    }
    const format = optionUint(request.options, OptionNumber.ContentFormat);
    if (format !== null && !resource.contentFormats.includes(format)) {
      return this.#writer.reply(request, plainReply(Code.UnsupportedContentFormat));
    }
    if (session === null && path !== HELLO_PATH) return this.#writer.reply(request, NO_SESSION);
    const body = this.#bodyOf(request, path, resource.maxBytes);
    if (body === null) return;
    if (path === HELLO_PATH) this.#hello(request, body);
    else if (session !== null) this.#take(request, session, resource.channel, body);
  }

  /** The whole payload; null when there is more to come, and the device was told so. */
  #bodyOf(request: DeviceRequest, path: string, maxBytes: number): Body | null {
    const block = blockOf(request, OptionNumber.Block1);
    if (block === "malformed") {
      this.#writer.reply(request, plainReply(Code.BadOption));
      return null;
    }
    if (block === null) return { bytes: request.payload, options: [] };
    const device = deviceKey(request.tenant, request.device);
    const taken = this.#bodies.take(device, path, block, request.payload, maxBytes);
    const options = [blockOption(OptionNumber.Block1, block)];
    if ("body" in taken) return { bytes: taken.body, options };
    const isTooLarge = taken.code === Code.RequestEntityTooLarge;
    // RFC 7959 §2.9.3: how large it may be.
    if (isTooLarge) options.push(uintOption(OptionNumber.Size1, maxBytes));
    this.#writer.reply(request, { ...plainReply(taken.code), options });
    return null;
  }

  #hello(request: DeviceRequest, body: Body): void {
    const { clock, intake } = this.#context;
    const device = deviceKey(request.tenant, request.device);
    if (this.#refused.has(device, clock.monotonicMs())) {
      return this.#writer.reply(request, plainReply(Code.Forbidden));
    }
    if (!this.#takesHellos) return this.#writer.reply(request, retryLater());
    const session = this.#sessions.open(request);
    if (session === "full") return this.#writer.reply(request, retryLater());
    if (session === "outranked") return this.#writer.reply(request, plainReply(Code.Forbidden));
    if (request.isVerified) this.#sessions.columns.verify(session.slot, request.source);
    const result = intake.take(session.slot, "hello", body.bytes, -1);
    const isTaken = result === IntakeResult.Taken;
    // A device of which nothing is known is of no use to anybody: it is told, and not kept.
    if (!isTaken) session.close("protocol");
    const reply = isTaken ? plainReply(Code.Changed) : plainReply(Code.BadRequest, intake.fault);
    this.#writer.reply(request, { ...reply, options: body.options });
  }

  #take(request: DeviceRequest, session: CoapSession, channel: UpChannel, body: Body): void {
    const ticket = channel === "report" ? session.hold(request) : -1;
    if (channel === "report" && ticket === -1) return this.#writer.reply(request, retryLater());
    const result = this.#context.intake.take(session.slot, channel, body.bytes, ticket);
    if (result === IntakeResult.Held) {
      if (request.type === MessageType.Confirmable) this.#writer.acknowledge(request);
      return;
    }
    if (ticket !== -1) session.release(ticket);
    if (result === IntakeResult.Full) return this.#writer.reply(request, retryLater());
    const code = result === IntakeResult.Taken ? Code.Changed : Code.BadRequest;
    this.#writer.reply(request, { ...plainReply(code), options: body.options });
  }

  #handleOffer(request: DeviceRequest, session: CoapSession | null): void {
    if (request.code !== Code.Get) {
      return this.#writer.reply(request, plainReply(Code.MethodNotAllowed));
    }
    const accept = optionUint(request.options, OptionNumber.Accept);
    if (accept !== null && accept !== ContentFormat.Json) {
      return this.#writer.reply(request, plainReply(Code.NotAcceptable));
    }
    if (session === null) return this.#writer.reply(request, NO_SESSION);
    const block = blockOf(request, OptionNumber.Block2);
    if (block === "malformed") return this.#writer.reply(request, plainReply(Code.BadOption));
    const observe = optionUint(request.options, OptionNumber.Observe);
    if (observe === 0) return this.#observe(request, session, block);
    if (observe === 1) this.#sessions.columns.stopObserving(session.slot);
    const current = session.representation ?? NOTHING;
    const reply = contentReply(current, block, null);
    this.#writer.reply(request, "fault" in reply ? plainReply(Code.BadOption) : reply);
  }

  /** RFC 7641 §4.1. What it begins is long and goes on for long: not to a place that is forged. */
  #observe(request: DeviceRequest, session: CoapSession, block: Block | null): void {
    const { columns } = this.#sessions;
    const { slot } = session;
    if (!request.isVerified) return this.#writer.challenge(request);
    columns.observe(slot, request);
    const sequence = columns.nextSequence(slot);
    // What there is follows as a notification, so that it is acknowledged like the others.
    const first = contentReply(NOTHING, block, sequence);
    if ("fault" in first) return this.#writer.reply(request, plainReply(Code.BadOption));
    this.#writer.reply(request, first);
    this.#context.lifecycle.ready(slot);
  }

  #handleDiscovery(request: DeviceRequest): void {
    this.#writer.reply(request, discoveryReply(request.code));
  }
}

interface Body {
  readonly bytes: Buffer;
  /** Block1 of the answer. */
  readonly options: CoapReply["options"];
}

const NOTHING = { payload: new Uint8Array(0), etag: 0 };

/** The device has to say hello (again): its session is over, or was never there. */
const NO_SESSION: CoapReply = plainReply(Code.Conflict, "no session: POST /v1/hello first");

function retryLater(): CoapReply {
  const options = [uintOption(OptionNumber.MaxAge, RETRY_AFTER_SECONDS)];
  return { ...plainReply(Code.ServiceUnavailable), options };
}

export function discoveryReply(code: number): CoapReply {
  if (code !== Code.Get) return plainReply(Code.MethodNotAllowed);
  const options = [uintOption(OptionNumber.ContentFormat, ContentFormat.LinkFormat)];
  return { ...plainReply(Code.Content, LINKS), options };
}

/** The segments of Uri-Path with slashes between; what is not UTF-8 names nothing. */
export function pathOf({ options }: Pick<DeviceRequest, "options">): string {
  let path = "";
  for (const { number, value } of options) {
    if (number !== OptionNumber.UriPath) continue;
    path += path === "" ? value.toString("latin1") : `/${value.toString("latin1")}`;
  }
  return path;
}

function blockOf(request: DeviceRequest, number: number): Block | "malformed" | null {
  const value = optionValue(request.options, number);
  return value === null ? null : (decodeBlock(value) ?? "malformed");
}
