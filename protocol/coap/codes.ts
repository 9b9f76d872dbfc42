// SPDX-License-Identifier: Apache-2.0
/** The numbers of a CoAP message's header (RFC 7252 §3, §12.1) and their names for people. */

export const MessageType = {
  Confirmable: 0,
  NonConfirmable: 1,
  Acknowledgement: 2,
  Reset: 3,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** A code is class × 32 + detail: `2.05` is 0x45. */
export const Code = {
  /** No request and no response: a ping, an acknowledgement, a reset. */
  Empty: 0x00,
  Get: 0x01,
  Post: 0x02,
  Put: 0x03,
  Delete: 0x04,
  /** RFC 8132; here only as the outer code of an observation under OSCORE (RFC 8613 §4.1.3.5). */
  Fetch: 0x05,
  Deleted: 0x42,
  Changed: 0x44,
  Content: 0x45,
  /** RFC 7959 §2.9.1. */
  Continue: 0x5f,
  BadRequest: 0x80,
  Unauthorized: 0x81,
  BadOption: 0x82,
  Forbidden: 0x83,
  NotFound: 0x84,
  MethodNotAllowed: 0x85,
  NotAcceptable: 0x86,
  /** RFC 7959 §2.9.2. */
  RequestEntityIncomplete: 0x88,
  /** RFC 8132 §4.3. */
  Conflict: 0x89,
  RequestEntityTooLarge: 0x8d,
  UnsupportedContentFormat: 0x8f,
  InternalServerError: 0xa0,
  ServiceUnavailable: 0xa3,
  ProxyingNotSupported: 0xa5,
} as const;

/** 0 request, 2 success, 4 and 5 errors; 1, 3, 6 and 7 are reserved (RFC 7252 §12.1). */
export function codeClass(code: number): number {
  return code >> 5;
}

/** `4.04`. */
export function codeText(code: number): string {
  return `${codeClass(code)}.${String(code & 0x1f).padStart(2, "0")}`;
}
