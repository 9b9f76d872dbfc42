// SPDX-License-Identifier: Apache-2.0
/**
 * What every call of DeployService shares: who calls, what they may, failures in the form of the
 * wire, and one answer to one idempotency key.
 */
import {
  Code,
  ConnectError,
  createContextKey,
  type ContextKey,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import {
  describeError,
  errorCodeFacts,
  isMusterError,
  MusterError,
  toMusterError,
} from "../../domain/errors.ts";
import { checkTenant, DEFAULT_TENANT } from "../../domain/identity.ts";
import type { Logger } from "../../ports/logger.ts";
import { ErrorInfoSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Operator, OperatorTokens, Role } from "./operator-tokens.ts";

/** Who calls, for calls that do not come over a listener, too. */
export const OPERATOR: ContextKey<Operator | null> = createContextKey<Operator | null>(null, {
  description: "the operator who calls",
});

/** Authenticates each call and turns failures into ConnectError with an ErrorInfo. */
export function callInterceptor(options: { tokens: OperatorTokens; logger: Logger }): Interceptor {
  return (next) => async (request) => {
    try {
      if (request.service.typeName === "muster.v1.DeployService") {
        const authorization = request.header.get("authorization");
        const operator = await options.tokens.verify(authorization, request.signal);
        request.contextValues.set(OPERATOR, operator);
      }
      const response = await next(request);
      if (!response.stream) return response;
      const message = streamToWire(response.message, request.method.name, options.logger);
      return { ...response, message };
    } catch (error) {
      throw toWire(error, request.method.name, options.logger);
    }
  };
}

/** A method that streams its answer fails while it is read, long after the call was let in. */
async function* streamToWire<Message>(
  messages: AsyncIterable<Message>,
  attempted: string,
  logger: Logger,
): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    throw toWire(error, attempted, logger);
  }
}

/** A ConnectError as it is; a MusterError with its code; anything else as `internal`, logged. */
export function toWire(error: unknown, attempted: string, logger: Logger): ConnectError {
  if (error instanceof ConnectError) return error;
  const failure = toMusterError(error, attempted);
  if (!isMusterError(error)) logger.error("a call failed inside the center", { attempted, error });
  const { connect } = errorCodeFacts(failure.code);
  const { field, hint, line, column } = failure.detail;
  return new ConnectError(
    failure.message,
    codeOf(connect),
    undefined,
    [
      {
        desc: ErrorInfoSchema,
        value: {
          code: failure.code,
          field: field ?? "",
          hint: hint ?? "",
          line: line ?? 0,
          column: column ?? 0,
        },
      },
    ],
    describeError(failure),
  );
}

function codeOf(name: string): Code {
  const pascal = name.replaceAll(/(^|_)([a-z])/g, (_, _bar: string, letter: string) =>
    letter.toUpperCase(),
  );
  return Code[pascal as keyof typeof Code];
}

/** Who calls. */
export function operatorOf(context: Pick<HandlerContext, "values">): Operator {
  const operator = context.values.get(OPERATOR);
  if (operator !== null) return operator;
  throw new MusterError({ code: "unauthenticated", message: "no operator token was sent" });
}

/** `operator:NAME`, for the audit log. */
export function actorOf(context: HandlerContext): string {
  return `operator:${operatorOf(context).name}`;
}

const RANK: { readonly [role in Role]: number } = { viewer: 0, operator: 1, admin: 2 };

/** The tenant of a call; throws `permission_denied` when the operator may not act there. */
export function authorize(context: HandlerContext, tenant: string, role: Role): string {
  const operator = operatorOf(context);
  const wanted = tenant === "" ? tenantOf(operator) : tenant;
  checkTenant(wanted, "tenant");
  if (operator.tenant !== "*" && operator.tenant !== wanted) {
    throw denied(`the token ${operator.name} may not act in tenant ${wanted}`);
  }
  requireRole(operator, role);
  return wanted;
}

/** For what belongs to the installation and to no tenant. */
export function authorizeAll(context: HandlerContext, role: Role): void {
  const operator = operatorOf(context);
  if (operator.tenant !== "*") {
    throw denied(`the token ${operator.name} may act in tenant ${operator.tenant} only`);
  }
  requireRole(operator, role);
}

function requireRole(operator: Operator, role: Role): void {
  if (RANK[operator.role] >= RANK[role]) return;
  throw denied(`the token ${operator.name} has the role ${operator.role}; this needs ${role}`);
}

function tenantOf(operator: Operator): string {
  return operator.tenant === "*" ? DEFAULT_TENANT : operator.tenant;
}

function denied(message: string): MusterError {
  return new MusterError({
    code: "permission_denied",
    message,
    detail: { hint: "ask an admin for a token with that right: muster token create" },
  });
}

/** Longest reason kept in the audit log. */
const MAX_REASON_CHARACTERS = 500;

/** The reason of a mutation, for the audit log. */
export function reasonOf(mutation: { reason: string } | undefined): string {
  return (mutation?.reason ?? "").slice(0, MAX_REASON_CHARACTERS);
}

/** Page size asked for, within the limit; default 100. */
export function pageSizeOf(asked: number): number {
  return asked === 0 ? 100 : Math.min(asked, 1_000);
}
