// SPDX-License-Identifier: Apache-2.0
/**
 * One answer to one idempotency key: a mutation repeated with the same key and the same content
 * gets the first answer again; with other content it is refused. Answers are kept for 24 hours. A
 * crash between effect and record is covered by the operations themselves, which are idempotent by
 * name.
 */
import { createHash } from "node:crypto";
import { fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Store } from "../../ports/store.ts";
import { operatorOf } from "./call.ts";

const KEPT_MS = 86_400_000;
const MAX_KEY_CHARACTERS = 128;
/** A larger answer is not kept: the repeated call is carried out again, idempotent by name. */
const MAX_ANSWER_BYTES = 512 * 1_024;

const stored = z.object({ request: z.string(), answer: z.string(), expiresAtMs: z.number() });

export function idempotencyInterceptor(options: { store: Store; clock: Clock }): Interceptor {
  const { store, clock } = options;
  return (next) => async (request) => {
    const key = request.stream ? "" : keyOf(request.message);
    if (key === "" || request.stream) return next(request);
    const operator = operatorOf({ values: request.contextValues });
    const documentKey = `${operator.tokenId}/${key}`;
    const { method, message, signal } = request;
    const digest = createHash("sha256")
      .update(`${method.name}\n`)
      .update(toBinary(method.input, message as never))
      .digest("hex");
    const before = await store.getDocument("idempotency", documentKey, { signal });
    const known = before === null ? null : stored.parse(before.value);
    if (known !== null && known.expiresAtMs > clock.wallMs()) {
      if (known.request !== digest) throw reused(key);
      const answer = decode(method.output, known.answer);
      const { service } = request;
      const common = { stream: false, service, method, message: answer } as const;
      return { ...common, ...headersOf(request.header.get("content-type") ?? "") };
    }
    const response = await next(request);
    if (response.stream) return response;
    const bytes = toBinary(method.output, response.message as never);
    if (bytes.length > MAX_ANSWER_BYTES) return response;
    const value = {
      request: digest,
      answer: Buffer.from(bytes).toString("base64"),
      expiresAtMs: clock.wallMs() + KEPT_MS,
    };
    const expectedRevision = before?.revision ?? 0;
    const documents = [{ kind: "idempotency" as const, key: documentKey, expectedRevision, value }];
    // A conflict: the same key was answered at the same time, by the same idempotent operation.
    await store.commit({ documents }, { signal });
    return response;
  };
}

/** What the protocol says beside an answer: the handler that would have said it was not called. */
function headersOf(contentType: string): { header: Headers; trailer: Headers } {
  const isGrpc = contentType.startsWith("application/grpc");
  return {
    header: new Headers({ "content-type": contentType }),
    trailer: new Headers(isGrpc ? { "grpc-status": "0" } : {}),
  };
}

function keyOf(message: unknown): string {
  const mutation = (message as { mutation?: { idempotencyKey?: string } }).mutation;
  const key = mutation?.idempotencyKey ?? "";
  if (key.length <= MAX_KEY_CHARACTERS && !/[^\x21-\x7e]/.test(key)) return key;
  throw new MusterError({
    code: "invalid_argument",
    message: `the idempotency key is not 1–${MAX_KEY_CHARACTERS} printable characters`,
    detail: { field: "mutation.idempotencyKey" },
  });
}

function decode(schema: DescMessage, text: string): Message {
  return fromBinary(schema, Buffer.from(text, "base64"));
}

function reused(key: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `the idempotency key ${JSON.stringify(key)} was used for another request already`,
    detail: { field: "mutation.idempotencyKey", hint: "draw a new key for each new request" },
  });
}
