// SPDX-License-Identifier: Apache-2.0
/** Why a role does not start. Those that run are not disturbed by it. */
import { once } from "node:events";
import { chmod, copyFile, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { until } from "../../helpers/until.ts";
import { startMuster } from "../../integration/cli/run-muster.ts";
import { block, command, type Area, type BadCommand, type BadInput } from "./bad-input.ts";
import { writeIdentity } from "./world.ts";

const CENTER =
  "center --data data --host 127.0.0.1 " +
  "--api-port 0 --link-port 0 --enrolment-port 0 --admin-port 0";
const GATEWAY = "gateway --data data --host 127.0.0.1 --center localhost:{linkPort}";
const AGENT = "agent --data data --enrolment-url https://localhost:{enrolmentPort}";
const FREE_PORTS = "--mqtts-port 0 --artifacts-port 0 --admin-port 0";
const QUIET = " --log-file role.log";

type Row = Pick<BadCommand, "id" | "title" | "words" | "where" | "files" | "captures" | "arrange">;

/** A start; its log goes to a file, so that the message is what a person reads. */
function start(row: Row): BadInput {
  return command({ ...row, words: `${row.words}${QUIET}` });
}

/** A start of a center over a database that `make` leaves in the data folder. */
function database(
  row: Pick<Row, "id" | "title" | "where"> & { make: (file: string, copy: string) => unknown },
): BadInput {
  const { make, ...rest } = row;
  return start({
    ...rest,
    words: CENTER,
    arrange: async (world, folder) => {
      await mkdir(join(folder, "data"));
      const copy = join(folder, "copy.db");
      const source = new DatabaseSync(world.installation.at("center/store.db"), { readOnly: true });
      source.exec(`VACUUM INTO '${copy}'`);
      source.close();
      await make(join(folder, "data", "store.db"), copy);
    },
  });
}

function gatewayCopy(
  world: Parameters<NonNullable<Row["arrange"]>>[0],
  folder: string,
): Promise<void> {
  return cp(world.installation.at("gw-1"), join(folder, "data"), { recursive: true });
}

/** A gateway that is enrolled starts without its center, and says that it is not ready. */
const CENTER_AWAY: BadInput = {
  id: "gateway-center-away",
  title: "The gateway starts, and the center cannot be reached",
  given: block("sh", "muster gateway --data data --center localhost:9", "then GET /readyz"),
  arrange: gatewayCopy,
  act: async (world, folder) => {
    const ready = join(folder, "ready.json");
    const files = `--ready-file ready.json${QUIET}`;
    const words = `gateway --data data --center localhost:9 ${FREE_PORTS} ${files}`;
    const child = startMuster(words.split(" "), { cwd: folder });
    const gone = once(child, "close");
    try {
      const isReady = async (): Promise<boolean> => (await readIfThere(ready)) !== "";
      const { signal } = world;
      await until("the gateway has started", isReady, { timeoutMs: 20_000, signal });
      const { adminPort } = JSON.parse(await readIfThere(ready)) as { adminPort: number };
      const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
      return { outcome: `HTTP ${response.status}`, message: await response.text() };
    } finally {
      child.kill("SIGTERM");
      await gone;
    }
  },
};

function readIfThere(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}

export const STARTS: Area = {
  title: "Starting a role",
  intro: "Ports that are given as 0 are free ones. `--log-file` keeps the log apart.",
  cases: [
    start({
      id: "port-center",
      title: "A port of the center is taken",
      words: CENTER.replace("--api-port 0", "--api-port {apiPort}"),
    }),
    start({
      id: "port-gateway",
      title: "A port of the gateway is taken",
      words: `${GATEWAY} --mqtts-port {mqttsPort} --artifacts-port 0 --admin-port 0`,
      arrange: gatewayCopy,
    }),
    start({
      id: "port-agent",
      title: "The agent's admin port is taken",
      words: `${AGENT} --admin-port {agentAdminPort}`,
      arrange: (world, folder) => writeIdentity(join(folder, "data"), world.spare),
    }),
    start({
      id: "port-none",
      title: "A port is none",
      words: CENTER.replace("--api-port 0", "--api-port 70700"),
    }),
    start({
      id: "workers-none",
      title: "A gateway of no workers",
      words: "gateway --data data --center localhost:{linkPort} --workers 0",
    }),
    start({
      id: "worker-alone",
      title: "A worker without its gateway",
      words: "gateway --as-worker",
    }),
    start({
      id: "address-foreign",
      title: "An address is another machine's",
      words: CENTER.replace("--host 127.0.0.1", "--host 192.0.2.1"),
    }),
    start({
      id: "folder-center",
      title: "The data folder is another center's that runs",
      words: CENTER.replace("--data data", "--data {data}/center"),
    }),
    start({
      id: "folder-agent",
      title: "The data folder is another agent's that runs",
      words: `${AGENT.replace("--data data", "--data {data}/till-1")} --admin-port 0`,
    }),
    start({
      id: "folder-gateway",
      title: "The data folder is another gateway's that runs",
      words: `${GATEWAY.replace("--data data", "--data {data}/gw-1")} ${FREE_PORTS}`,
    }),
    start({
      id: "folder-file",
      title: "The data folder is a file",
      words: CENTER,
      files: { data: "a file\n" },
    }),
    start({
      id: "folder-file-gateway",
      title: "The data folder is below a file",
      words: `${GATEWAY.replace("--data data", "--data file/data")} --admin-port 0`,
      files: { file: "a file\n" },
    }),
    database({
      id: "database-text",
      title: "The database is no database",
      where: "store.db holds 8 KiB of text",
      make: (file) => writeFile(file, "this is no database\n".repeat(410)),
    }),
    database({
      id: "database-damaged",
      title: "The database is damaged",
      where: "the second half of store.db is zeros",
      make: async (file, copy) => {
        await copyFile(copy, file);
        const bytes = await readFile(file);
        await writeFile(file, bytes.fill(0, bytes.length / 2));
      },
    }),
    database({
      id: "database-empty",
      title: "The database is empty",
      where: "store.db has no bytes",
      make: (file) => writeFile(file, ""),
    }),
    database({
      id: "database-newer",
      title: "The database is newer than the program",
      where: "a later version of Muster wrote store.db",
      make: async (file, copy) => {
        await copyFile(copy, file);
        const newer = new DatabaseSync(file);
        newer.exec("PRAGMA user_version = 900");
        newer.close();
      },
    }),
    database({
      id: "database-foreign",
      title: "The database is another program's",
      where: "another program wrote store.db",
      make: (file) => {
        const foreign = new DatabaseSync(file);
        foreign.exec("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('hello')");
        foreign.close();
      },
    }),
    start({
      id: "gateway-not-enrolled",
      title: "The gateway is not enrolled",
      words: `${GATEWAY} ${FREE_PORTS}`,
    }),
    start({
      id: "gateway-address",
      title: "The center's address is none",
      words: `${GATEWAY.replace("localhost:{linkPort}", "https://center")} --admin-port 0`,
      arrange: gatewayCopy,
    }),
    start({
      id: "gateway-key-open",
      title: "Others can read the private key",
      words: `${GATEWAY} ${FREE_PORTS}`,
      where: "identity/key.pem has the mode 644",
      arrange: async (world, folder) => {
        await gatewayCopy(world, folder);
        await chmod(join(folder, "data", "identity", "key.pem"), 0o644);
      },
    }),
    CENTER_AWAY,
    start({
      id: "config-option",
      title: "An option in the configuration is misspelt",
      words: "gateway --config gateway.yaml",
      files: { "gateway.yaml": "data: data\nmqttPort: 8883\n" },
    }),
    start({
      id: "config-value",
      title: "A value in the configuration is wrong",
      words: "gateway --config gateway.yaml",
      files: { "gateway.yaml": "data: data\nheartbeat: often\n" },
    }),
    start({
      id: "option-missing",
      title: "An option is missing",
      words: "gateway --data data --admin-port 0",
      arrange: gatewayCopy,
    }),
  ],
};
