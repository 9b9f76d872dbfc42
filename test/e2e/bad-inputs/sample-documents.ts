// SPDX-License-Identifier: Apache-2.0
/** The documents that the cases get wrong in one line each. The page shows them whole. */

export const ROLLOUT = `apiVersion: muster/v1
kind: Rollout
metadata:
  name: shop-1.1
spec:
  release: shop@1.1.0
  selector: region = local
  waves: ["1", rest]
  soak: 30s
  gate: { minSuccess: 95%, minSample: 1 }
`;

export const RELEASE = `apiVersion: muster/v1
kind: Release
metadata:
  name: shop
  version: 1.2.0
spec:
  slot: app
  artifacts:
    - { name: app, file: app.tar.gz }
  steps:
    - { kind: archive, artifact: app, to: . }
`;

/** The document with line `number` (from 1) replaced. */
export function withLine(document: string, number: number, line: string): string {
  return document
    .split("\n")
    .with(number - 1, line)
    .join("\n");
}
