// SPDX-License-Identifier: Apache-2.0
/**
 * What every TLS listener and client of Muster has in common: TLS 1.3 only, whose three suites are
 * all sound, AES-256-GCM first.
 */

/** In order of preference; a server must also set `honorCipherOrder`. */
export const TLS_CIPHERS =
  "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

export const TLS_MIN_VERSION = "TLSv1.3";
