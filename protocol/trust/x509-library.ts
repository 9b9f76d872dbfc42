// SPDX-License-Identifier: Apache-2.0
/**
 * Loads `@peculiar/x509`, which writes certificates, requests and PKCS#7 for us. Its dependency
 * injection (tsyringe) refuses to load unless `Reflect.getMetadata` exists, although this library
 * injects nothing by it: with both functions answering "nothing known" it works. They are there
 * while the library loads and are taken away again, so no other module can come to rely on them.
 * (docs/adr/0007-certificate-authority.md says why not a polyfill package.)
 */
import { createRequire } from "node:module";
import type * as Library from "@peculiar/x509";

export type X509Library = typeof Library;

interface ReflectMetadata {
  getMetadata?: () => undefined;
  getOwnMetadata?: () => undefined;
}

let loaded: X509Library | null = null;

/**
 * The library; loaded by the first call (about 95 ms), which is why no module loads it by itself.
 */
export function x509Library(): X509Library {
  loaded ??= load();
  return loaded;
}

function load(): X509Library {
  const reflect = Reflect as ReflectMetadata;
  const { getMetadata, getOwnMetadata } = reflect;
  reflect.getMetadata = getMetadata ?? (() => undefined);
  reflect.getOwnMetadata = getOwnMetadata ?? (() => undefined);
  try {
    return createRequire(import.meta.url)("@peculiar/x509") as X509Library;
  } finally {
    if (getMetadata === undefined) delete reflect.getMetadata;
    if (getOwnMetadata === undefined) delete reflect.getOwnMetadata;
  }
}
