// SPDX-License-Identifier: Apache-2.0
/** One table of failures: the code, the page, and what each edge makes of them say the same. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { toWire } from "../center/api/call.ts";
import { errorAnswer } from "../center/identity/est-messages.ts";
import { translatingTransport } from "../cli/client-errors.ts";
import { printError } from "../cli/print-error.ts";
import { ERROR_CODES, MusterError, type ErrorCode } from "../domain/errors.ts";
import type { Logger } from "../ports/logger.ts";
import { DeployService } from "../protocol/gen/muster/v1/deploy_pb.ts";
import { root } from "../scripts/stage.ts";

const CODES = Object.keys(ERROR_CODES) as readonly ErrorCode[];

const SILENT: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => SILENT,
};

function failure(code: ErrorCode): MusterError {
  const detail = { field: "spec.selector", hint: "do this", line: 3, column: 7 };
  return new MusterError({ code, message: "what is wrong", detail });
}

/** `FailedPrecondition` → `failed_precondition`. */
function connectName(code: Code): string {
  return (Code[code] ?? "").replaceAll(/(?<!^)[A-Z]/g, "_$&").toLowerCase();
}

describe("the table of errors", () => {
  test("is the one on the page", async () => {
    const page = await readFile(join(root, "docs/reference/errors.md"), "utf8");
    const rows = page.split("\n").filter((line) => /^\| `[a-z_]+` \|/.test(line));
    const expected = CODES.map((code) => {
      const { meaning, http, connect, exit, responder } = ERROR_CODES[code];
      return `| \`${code}\` | ${meaning} | ${http} | \`${connect}\` | ${exit} | ${responder} |`;
    });
    assert.deepEqual(rows, expected);
  });

  for (const code of CODES) {
    const facts = ERROR_CODES[code];

    test(`${code} goes over the wire as ${facts.connect} and comes back whole`, async () => {
      const wire = toWire(failure(code), "testing", SILENT);
      assert.equal(connectName(wire.code), facts.connect);
      const transport = createRouterTransport(({ service }) => {
        service(DeployService, {
          getStatus: () => {
            throw wire;
          },
        });
      });
      const client = createClient(DeployService, translatingTransport(transport, "http://center"));
      const { message, detail } = failure(code);
      await assert.rejects(client.getStatus({}), { name: "MusterError", code, message, detail });
    });

    test(`${code} is HTTP ${facts.http} at enrolment, and exit status ${facts.exit}`, async () => {
      assert.equal(errorAnswer(failure(code), 0).status, facts.http);
      const stderr = new PassThrough();
      assert.equal(printError({ stderr, environment: {} }, failure(code)), facts.exit);
      stderr.end();
      assert.equal(await text(stderr), "muster: spec.selector: what is wrong\n  → do this\n");
    });
  }
});
