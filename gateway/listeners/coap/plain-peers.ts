// SPDX-License-Identifier: Apache-2.0
/**
 * Who sends a request on the insecure listener: whoever the query says (`device=pump-1`, and
 * `tenant=…` where it is not the default one). Nothing is checked but the form.
 */
import { DEFAULT_TENANT, DEVICE_ID_PATTERN, TENANT_PATTERN } from "../../../domain/identity.ts";
import { Code } from "../../../protocol/coap/codes.ts";
import type { DecodedMessage } from "../../../protocol/coap/message.ts";
import { checkOptions } from "../../../protocol/coap/option-checks.ts";
import { optionValue } from "../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../protocol/coap/options.ts";
import type { CoapPeers, ReceivedRequest } from "./coap-peers.ts";
import type { DeviceRequest } from "./coap-request.ts";
import { discoveryReply, DISCOVERY_PATH, pathOf } from "./device-resources.ts";
import type { EchoValues } from "./echo-values.ts";
import { KNOWN_OPTIONS } from "./known-options.ts";
import type { ReplyWriter } from "./reply-writer.ts";

const NO_BYTES = Buffer.alloc(0);
/** Nothing but the place is shown by an Echo value here. */
const NO_SUBJECT = 0;

export class PlainPeers implements CoapPeers {
  readonly #echo: EchoValues;
  readonly #writer: ReplyWriter;

  constructor(options: { echo: EchoValues; writer: ReplyWriter }) {
    this.#echo = options.echo;
    this.#writer = options.writer;
  }

  open(received: ReceivedRequest): DeviceRequest | null {
    const { message, source, receivedBytes } = received;
    const checked = checkOptions(message.options, KNOWN_OPTIONS);
    const { token, messageId, type, code, payload } = message;
    const base = { token, messageId, type, code, payload, source, receivedBytes };
    const request = { ...base, options: message.options, keyRow: -1, partialIv: NO_BYTES };
    if ("badOption" in checked) {
      this.#writer.refuse(request, Code.BadOption, `option ${checked.badOption} is not known here`);
      return null;
    }
    if (isForProxy(message)) {
      this.#writer.refuse(request, Code.ProxyingNotSupported);
      return null;
    }
    const name = deviceOf(checked);
    const echo = optionValue(checked.options, OptionNumber.Echo);
    const isVerified = echo !== null && this.#echo.isFresh(echo, source, NO_SUBJECT);
    const known = { ...request, options: checked.options, echoSubject: NO_SUBJECT, isVerified };
    if (name !== null) return { ...known, ...name };
    if (pathOf(checked) === DISCOVERY_PATH) {
      this.#writer.reply({ ...known, tenant: "", device: "" }, discoveryReply(code));
    } else this.#writer.refuse(request, Code.BadRequest, "the query says no device=ID");
    return null;
  }
}

function isForProxy({ options }: Pick<DecodedMessage, "options">): boolean {
  return options.some(
    ({ number }) => number === OptionNumber.ProxyUri || number === OptionNumber.ProxyScheme,
  );
}

/** null: the query names no device, or one that there cannot be. */
function deviceOf({ options }: Pick<DecodedMessage, "options">): {
  readonly tenant: string;
  readonly device: string;
} | null {
  let tenant = DEFAULT_TENANT;
  let device = "";
  for (const { number, value } of options) {
    if (number !== OptionNumber.UriQuery) continue;
    const text = value.toString("latin1");
    if (text.startsWith("device=")) device = text.slice("device=".length);
    else if (text.startsWith("tenant=")) tenant = text.slice("tenant=".length);
  }
  return DEVICE_ID_PATTERN.test(device) && TENANT_PATTERN.test(tenant) ? { tenant, device } : null;
}
