// SPDX-License-Identifier: Apache-2.0
/** A request that was protected by OSCORE: the datagram's header with what was inside. */
import type { MessageType } from "../../../protocol/coap/codes.ts";
import type { DecodedOption } from "../../../protocol/coap/message.ts";
import type { InnerMessage } from "../../../protocol/coap/oscore/inner-message.ts";
import type { CoapRequest, DeviceRequest } from "./coap-request.ts";
import type { Source } from "./source.ts";

export interface OscoreRequestOptions {
  readonly outer: CoapRequest;
  readonly keyRow: number;
  readonly partialIv: Buffer;
  readonly inner: InnerMessage;
  readonly options: readonly DecodedOption[];
  readonly echoSubject: number;
  readonly isVerified: boolean;
  /** `tenant/device` of a row. */
  readonly nameOf: (keyRow: number) => string;
}

export class OscoreRequest implements DeviceRequest {
  readonly source: Source;
  readonly receivedBytes: number;
  readonly type: MessageType;
  readonly messageId: number;
  readonly token: Buffer;
  readonly code: number;
  readonly options: readonly DecodedOption[];
  readonly payload: Buffer;
  readonly keyRow: number;
  readonly partialIv: Buffer;
  readonly echoSubject: number;
  isVerified: boolean;
  readonly #nameOf: (keyRow: number) => string;

  constructor(given: OscoreRequestOptions) {
    const { outer, inner } = given;
    this.source = outer.source;
    this.receivedBytes = outer.receivedBytes;
    this.type = outer.type;
    this.messageId = outer.messageId;
    this.token = outer.token;
    this.code = inner.code;
    this.options = given.options;
    this.payload = inner.payload;
    this.keyRow = given.keyRow;
    this.partialIv = given.partialIv;
    this.echoSubject = given.echoSubject;
    this.isVerified = given.isVerified;
    this.#nameOf = given.nameOf;
  }

  // Read only where a session begins: most requests are found by their row.
  get tenant(): string {
    const name = this.#nameOf(this.keyRow);
    return name.slice(0, name.indexOf("/"));
  }

  get device(): string {
    const name = this.#nameOf(this.keyRow);
    return name.slice(name.indexOf("/") + 1);
  }
}
