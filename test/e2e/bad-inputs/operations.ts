// SPDX-License-Identifier: Apache-2.0
/** What the center refuses of commands that are well written: names, states, rights. */
import { command, type Area } from "./bad-input.ts";
import { ROLLOUT, withLine } from "./sample-documents.ts";
import { AGENT } from "./world.ts";

export const ROLLOUTS: Area = {
  title: "Rollouts and devices",
  intro:
    "`draft` is applied and not planned, `planned` is planned and not started, " +
    "`shop-1.0` has ended.",
  cases: [
    command({
      id: "rollout-release-unknown",
      title: "The release is not published",
      words: "apply -f rollout.yaml",
      where: "line 6 is release: shop@7.7.7",
      files: { "rollout.yaml": withLine(ROLLOUT, 6, "  release: shop@7.7.7") },
    }),
    command({
      id: "rollout-nobody",
      alone: true,
      title: "The selector matches nobody",
      words: "rollout plan nobody",
      where: "of a rollout with selector: region = mars",
      arrange: async (world) => {
        const spec = { release: "shop@1.1.0", selector: "region = mars" };
        await world.installation.session.client.applyRollout({ name: "nobody", spec });
      },
    }),
    command({ id: "start-draft", title: "It was never planned", words: "rollout start draft" }),
    command({
      id: "start-digest",
      title: "The plan is not the one that was reviewed",
      words: "rollout start planned --plan-digest 4f0c",
      captures: { digest: /frozen plan is ([0-9a-f]+)/ },
    }),
    command({
      id: "rollout-changed",
      title: "A rollout is changed after its plan was frozen",
      words: "apply -f rollout.yaml",
      where: "line 4 is name: planned",
      files: { "rollout.yaml": withLine(ROLLOUT, 4, "  name: planned") },
    }),
    command({
      id: "rollout-started",
      title: "A rollout is changed after it was started",
      words: "apply -f rollout.yaml",
      where: "line 4 is name: shop-1.0",
      files: { "rollout.yaml": withLine(ROLLOUT, 4, "  name: shop-1.0") },
    }),
    command({ id: "rollout-unknown", title: "No such rollout", words: "rollout start shop-7" }),
    command({ id: "pause-planned", title: "It is not running", words: "rollout pause planned" }),
    command({ id: "resume-ended", title: "It has ended", words: "rollout resume shop-1.0" }),
    command({
      id: "rollback-planned",
      title: "There is nothing to roll back",
      words: "rollout rollback planned",
    }),
    command({
      id: "attempts-draft",
      title: "A draft has no attempts",
      words: "get attempts draft",
    }),
    command({ id: "device-unknown", title: "No such device", words: "device get till-9" }),
    command({
      id: "device-id-wrong",
      title: "A device id is none",
      words: "device enroll 'till 9' --region local",
    }),
    command({
      id: "device-region-wrong",
      title: "A region is none",
      words: "device enroll till-9 --region Europe",
    }),
    command({ id: "gateway-unknown", title: "No such gateway", words: "get gateways gw-9" }),
    command({
      id: "explain-rollout-unknown",
      title: "A device is asked about in a rollout that is none",
      words: `device explain ${AGENT} --rollout shop-7`,
    }),
    command({
      id: "token-unknown",
      title: "No such operator token",
      words: "token revoke t-17",
    }),
    command({
      id: "command-unknown",
      title: "A command is misspelt",
      words: "rollout stert planned",
    }),
    command({
      id: "option-unknown",
      title: "An option is misspelt",
      words: "get devices --selektor x",
    }),
  ],
};

export const CSV: Area = {
  title: "A CSV of devices",
  intro: "Every bad row is named, and no row is imported, unless `--skip-bad` is given.",
  cases: [
    command({
      id: "csv-rows",
      title: "Several rows are wrong, each in its own way",
      words: "device import devices.csv",
      where: "rows 2 to 7 are wrong and row 8 is right",
      files: {
        "devices.csv":
          "id,region,site,labels,serviceLevel,critical\n" +
          "till 2,eu,,,,\n" +
          "till-3,Europe,,,,\n" +
          "till-4,eu,berlin 3,,,\n" +
          "till-5,eu,,ring,,\n" +
          "till-6,eu,,,,maybe\n" +
          "till-7,eu\n" +
          "till-8,eu,berlin-3,ring=canary,gold,true\n",
      },
    }),
    command({
      id: "csv-twice",
      title: "A device is there twice",
      words: "device import devices.csv",
      files: { "devices.csv": "id,region\ntill-2,eu\ntill-3,eu\ntill-2,us\n" },
    }),
    command({
      id: "csv-column",
      title: "A column is misspelt",
      words: "device import devices.csv",
      files: { "devices.csv": "id,regoin\ntill-2,eu\n" },
    }),
    command({
      id: "csv-column-missing",
      title: "A column is missing",
      words: "device import devices.csv",
      files: { "devices.csv": "id,site\ntill-2,berlin-3\n" },
    }),
    command({
      id: "csv-quote",
      title: "A quote is never closed",
      words: "device import devices.csv",
      files: { "devices.csv": 'id,region\ntill-2,eu\ntill-3,"eu\ntill-4,eu\n' },
    }),
    command({
      id: "csv-empty",
      title: "The file is empty",
      words: "device import devices.csv",
      files: { "devices.csv": "" },
    }),
    command({ id: "csv-absent", title: "There is no such file", words: "device import none.csv" }),
  ],
};
