// SPDX-License-Identifier: Apache-2.0
/** What thrift-codecs.ts uses of Apache Thrift's library, which brings no types. */
declare module "thrift" {
  export class Int64 {
    constructor(bytes: Buffer);
    readonly buffer: Buffer;
    readonly offset: number;
  }
  export class TBufferedTransport {
    constructor(buffer: undefined, onFlush: (bytes: Buffer) => void);
    isOpen(): boolean;
  }
  export class TFramedTransport {
    constructor(bytes: Buffer);
    isOpen(): boolean;
  }
  export class TCompactProtocol {
    constructor(transport: TBufferedTransport | TFramedTransport);
    writeStructBegin(name: string): void;
    writeStructEnd(): void;
    writeFieldBegin(name: string, type: number, id: number): void;
    writeFieldEnd(): void;
    writeFieldStop(): void;
    writeBool(value: boolean): void;
    writeI32(value: number): void;
    writeI64(value: Int64): void;
    writeDouble(value: number): void;
    writeString(value: string): void;
    flush(): void;
    readStructBegin(): void;
    readStructEnd(): void;
    readFieldBegin(): { readonly ftype: number; readonly fid: number };
    readFieldEnd(): void;
    readBool(): boolean;
    readI32(): number;
    readI64(): Int64;
    readDouble(): number;
    readString(): string;
    skip(type: number): void;
  }
  type TypeName = "STOP" | "BOOL" | "DOUBLE" | "I32" | "I64" | "STRING";
  export const Thrift: { readonly Type: { readonly [name in TypeName]: number } };
}
