// SPDX-License-Identifier: Apache-2.0
//
// A protoc plugin, run by buf: writes NAME_codec.ts for the files that its option `file` names: for
// each message functions that read and write it field by field, straight from and to bytes. That is
// for the few messages that are so frequent that a library which interprets descriptors costs too
// much (docs/adr/0019-codecs.md has the numbers); all others use @bufbuild/protobuf.
//
// Options: `file`, a path below the module, more than once; `runtime`, where protocol/protobuf lies
// as seen from the folder that is written to; and those of every plugin, as import_extension=ts.
//
// It knows singular fields of the types in SCALARS, enumerations and messages that do not contain
// themselves, and oneofs of messages (the one that is read last stays, at most one may be written);
// whatever else a message has is an error. Enumerations are numbers here: whoever reads a message
// judges what it says.

import { ScalarType, type DescField, type DescFile, type DescMessage } from "@bufbuild/protobuf";
import {
  createEcmaScriptPlugin,
  runNodeJs,
  type ImportSymbol,
  type Schema,
} from "@bufbuild/protoplugin";

interface Options {
  readonly files: readonly string[];
  readonly runtime: string;
}

/** Of a kind of field. */
interface Kind {
  /** Function of ProtobufReader and ProtobufWriter. */
  readonly method: string;
  readonly wireType: 0 | 1 | 2;
  readonly type: string;
  /** What a field that is not there says, and what is not written. */
  readonly absent: string;
  readonly isPresent: (value: string) => string;
}

const isNot =
  (absent: string) =>
  (value: string): string =>
    `${value} !== ${absent}`;

function number(method: string): Kind {
  return { method, wireType: 0, type: "number", absent: "0", isPresent: isNot("0") };
}

function bigInteger(method: string): Kind {
  return { method, wireType: 0, type: "bigint", absent: "0n", isPresent: isNot("0n") };
}

const SCALARS: ReadonlyMap<ScalarType, Kind> = new Map<ScalarType, Kind>([
  [ScalarType.INT32, number("int32")],
  [ScalarType.UINT32, number("uint32")],
  [ScalarType.INT64, bigInteger("int64")],
  [ScalarType.UINT64, bigInteger("uint64")],
  [
    ScalarType.BOOL,
    { method: "bool", wireType: 0, type: "boolean", absent: "false", isPresent: (value) => value },
  ],
  [
    ScalarType.DOUBLE,
    {
      method: "double",
      wireType: 1,
      type: "number",
      absent: "0",
      isPresent: (value) => `!Object.is(${value}, 0)`, // −0 is something else
    },
  ],
  [
    ScalarType.STRING,
    { method: "string", wireType: 2, type: "string", absent: '""', isPresent: isNot('""') },
  ],
  [
    ScalarType.BYTES,
    {
      method: "bytes",
      wireType: 2,
      type: "Uint8Array",
      absent: "NO_BYTES",
      isPresent: (value) => `${value}.length > 0`,
    },
  ],
]);

/** Variables of the functions that are written. */
const TAKEN_NAMES: readonly string[] = ["reader", "writer", "message", "before", "tag", "outerEnd"];

runNodeJs(
  createEcmaScriptPlugin<Options>({
    name: "protoc-gen-codec",
    version: "v1",
    parseOptions,
    generateTs,
  }),
);

function parseOptions(given: readonly { key: string; value: string }[]): Options {
  const files = given.filter(({ key }) => key === "file").map(({ value }) => value);
  const runtime = given.find(({ key }) => key === "runtime")?.value ?? "";
  const unknown = given.find(({ key }) => key !== "file" && key !== "runtime");
  if (unknown !== undefined) throw new Error(`there is no option ${unknown.key}`);
  return { files, runtime };
}

function generateTs(schema: Schema<Options>): void {
  const { files, runtime } = schema.options;
  for (const file of schema.files) {
    if (files.includes(file.proto.name)) generateFile(schema, file, runtime);
  }
}

function generateFile(schema: Schema<Options>, file: DescFile, runtime: string): void {
  const output = schema.generateFile(`${file.name}_codec.ts`);
  output.preamble(file);
  const importOf = (name: string, module: string): ImportSymbol =>
    output.import(name, `${runtime}/${module}.js`, true);
  const reader = importOf("ProtobufReader", "protobuf-reader");
  const writer = importOf("ProtobufWriter", "protobuf-writer");
  if (
    file.messages.some(({ fields }) => fields.some((field) => kindOf(field)?.absent === "NO_BYTES"))
  ) {
    output.print("const NO_BYTES: Uint8Array = new Uint8Array(0);");
    output.print();
  }
  for (const message of file.messages) {
    checkMessage(message);
    const { name } = message;
    output.print(output.jsDoc(message));
    output.print(`export interface ${name} {`);
    for (const field of message.fields) {
      output.print(output.jsDoc(field, "  "));
      output.print(`  readonly ${field.localName}: ${typeOf(field)};`);
    }
    output.print("}");
    output.print();
    output.print(
      `/** \`before\`: what the same field has said earlier; the two are one message. */`,
    );
    output.print(`export function read${name}(reader: `, reader, `, before?: ${name}): ${name} {`);
    for (const line of readLines(message)) output.print(`  ${line}`);
    output.print("}");
    output.print();
    output.print(`export function write${name}(writer: `, writer, `, message: ${name}): void {`);
    for (const line of message.fields.flatMap(writeLines)) output.print(`  ${line}`);
    output.print("}");
    output.print();
  }
}

function readLines({ fields }: DescMessage): string[] {
  const names = fields.map(({ localName }) => localName).join(", ");
  return [
    ...fields.map(
      (field) =>
        `let ${field.localName}: ${typeOf(field)} = ` +
        `before === undefined ? ${absentOf(field)} : before.${field.localName};`,
    ),
    "while (reader.hasMore()) {",
    "  const tag = reader.tag();",
    "  switch (tag) {",
    ...fields.flatMap((field) => [
      `    case ${tagOf(field)}:${field.message === undefined ? "" : " {"}`,
      ...readField(field).map((line) => `      ${line}`),
      "      break;",
      ...(field.message === undefined ? [] : ["    }"]),
    ]),
    "    default:",
    "      reader.skip(tag);",
    "  }",
    "}",
    `return { ${names} };`,
  ];
}

function readField(field: DescField): string[] {
  const { localName, message } = field;
  if (message === undefined) return [`${localName} = reader.${kindOf(field)?.method}();`];
  return [
    "const outerEnd = reader.enter();",
    `${localName} = read${message.name}(reader, ${localName});`,
    "reader.leave(outerEnd);",
    ...othersOf(field).map((other) => `${other.localName} = undefined;`),
  ];
}

/** The other fields of its oneof. */
function othersOf(field: DescField): readonly DescField[] {
  return field.oneof?.fields.filter((other) => other !== field) ?? [];
}

function writeLines(field: DescField): string[] {
  const { localName, message } = field;
  const value = `message.${localName}`;
  const kind = kindOf(field);
  if (kind !== undefined) {
    const write = `writer.${kind.method}(${tagOf(field)}, ${value});`;
    return [`if (${kind.isPresent(value)}) ${write}`];
  }
  return [
    `if (${value} !== undefined) {`,
    `  const opened = writer.open(${tagOf(field)});`,
    `  write${message?.name}(writer, ${value});`,
    "  writer.close(opened);",
    "}",
  ];
}

/** undefined for a field that is a message. */
function kindOf(field: DescField): Kind | undefined {
  if (field.fieldKind === "enum") return SCALARS.get(ScalarType.INT32);
  return field.fieldKind === "scalar" ? SCALARS.get(field.scalar) : undefined;
}

function typeOf(field: DescField): string {
  return kindOf(field)?.type ?? `${field.message?.name} | undefined`;
}

function absentOf(field: DescField): string {
  return kindOf(field)?.absent ?? "undefined";
}

function tagOf(field: DescField): number {
  return ((field.number << 3) | (kindOf(field)?.wireType ?? 2)) >>> 0;
}

/** Throws where a message has what this plugin cannot write. */
function checkMessage(message: DescMessage): void {
  for (const field of message.fields) {
    if (TAKEN_NAMES.includes(field.localName)) {
      throw new Error(`${field.toString()} has the name of a variable of the generated code`);
    }
    const isSupported = kindOf(field) !== undefined || field.fieldKind === "message";
    const isInOneof = field.oneof !== undefined && field.fieldKind !== "message";
    const isPlain = !isInOneof && !field.proto.proto3Optional;
    if (isSupported && isPlain) continue;
    throw new Error(`${field.toString()} is of a kind that protoc-gen-codec does not write`);
  }
  checkAcyclic(message, []);
}

/** A message within itself would let the sender say how deep the reader calls itself. */
function checkAcyclic(message: DescMessage, above: readonly DescMessage[]): void {
  if (above.includes(message)) throw new Error(`${message.toString()} contains itself`);
  for (const { message: inner } of message.fields) {
    if (inner !== undefined) checkAcyclic(inner, [...above, message]);
  }
}
