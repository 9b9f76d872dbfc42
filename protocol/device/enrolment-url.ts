// SPDX-License-Identifier: Apache-2.0
import { MusterError } from "../../domain/errors.ts";

/** Reads `https://HOST:7443` (443 without a port); throws `invalid_argument`. */
export function readEnrolmentUrl(text: string): { host: string; port: number } {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === "https:" && url.username === "" && url.pathname === "/") {
    const host = url.hostname.replaceAll(/^\[|\]$/g, "");
    return { host, port: url.port === "" ? 443 : Number(url.port) };
  }
  throw new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(text.slice(0, 300))} is not the address of an enrolment listener`,
    detail: { field: "enrolmentUrl", hint: "give it as https://HOST:7443" },
  });
}
