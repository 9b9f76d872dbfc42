// SPDX-License-Identifier: Apache-2.0
/** The servers that the gateway is compared with, each on a free port of loopback. */
import { spawn, type ChildProcess } from "node:child_process";
import { createServer, connect } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { startLoad } from "./load.ts";
import type { Server, ServerKind, ServerOptions } from "./server.ts";
import { benchFile, build, endProcess, findProgram, installPackage, startSpoken } from "./tools.ts";

const AEDES_VERSION = "1.2.0";
/** As large as an offer with a command. */
export const PUSHED_BYTES = 1_396;

export const PEERS: readonly ServerKind[] = [
  bareNode(),
  mosquitto(),
  aedes(),
  goroutines(),
  threads(),
];

function bareNode(): ServerKind {
  return {
    name: "bare Node",
    prepare: () => Promise.resolve(null),
    start: async () => {
      const spoken = await startSpoken(process.execPath, [benchFile("peers/bare-node.ts")]);
      return serverOf(spoken);
    },
  };
}

function aedes(): ServerKind {
  let moduleFile = "";
  return {
    name: "aedes",
    prepare: async () => {
      try {
        moduleFile = join(await installPackage("aedes", AEDES_VERSION), "aedes.js");
        return null;
      } catch {
        return `npm could not install aedes ${AEDES_VERSION}`;
      }
    },
    start: async ({ deviceCount }) => {
      const words = [benchFile("peers/aedes-broker.ts"), moduleFile];
      const spoken = await startSpoken(process.execPath, words);
      return brokerOf(spoken, deviceCount);
    },
  };
}

function goroutines(): ServerKind {
  return built("goroutines", "peers/goroutines.go", "there is no Go compiler");
}

function threads(): ServerKind {
  return built("threads", "peers/threads.c", "there is no C compiler");
}

function built(name: string, source: Parameters<typeof build>[0], missing: string): ServerKind {
  let program: string | null = null;
  return {
    name,
    prepare: async () => {
      program = await build(source);
      return program === null ? missing : null;
    },
    start: async () => serverOf(await startSpoken(program ?? "", [])),
  };
}

function mosquitto(): ServerKind {
  let program: string | null = null;
  return {
    name: "mosquitto",
    prepare: async () => {
      program = await findProgram("mosquitto", "/usr/sbin/mosquitto");
      return program === null ? "Debian's package mosquitto is not installed" : null;
    },
    start: async (options) => startMosquitto(program ?? "", options),
  };
}

async function startMosquitto(program: string, options: ServerOptions): Promise<Server> {
  const port = await freePort();
  const file = join(options.folder, "mosquitto.conf");
  // What a broker bounds by default a fleet's command would exceed; it is not to drop any of them.
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "persistence false",
    "max_queued_messages 0",
    "set_tcp_nodelay true",
    "user root",
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  const child = spawn(program, ["-c", file], { stdio: "ignore" });
  await untilListening(port);
  return brokerOf({ child, port }, options.deviceCount);
}

interface Spoken {
  readonly child: ChildProcess;
  readonly port: number;
}

function serverOf({ child, port }: Spoken): Server {
  return {
    pid: child.pid ?? 0,
    port,
    settled: () => Promise.resolve(),
    push: null,
    storedReports: null,
    [Symbol.asyncDispose]: () => endProcess(child),
  };
}

/** Through a broker a command comes from one more client, a process of its own. */
function brokerOf(spoken: Spoken, deviceCount: number): Server {
  return {
    ...serverOf(spoken),
    push: async () => {
      const publisher = await startLoad({ port: spoken.port, deviceCount: 1, firstDevice: 1e6 });
      await publisher.say("connect 1");
      const { startNs } = await publisher.say(`push ${deviceCount} ${PUSHED_BYTES}`);
      await publisher.stop();
      return startNs;
    },
  };
}

/** Free a moment ago: a server that cannot say which it took is told one. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function untilListening(port: number): Promise<void> {
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (isOpen) return;
    await delay(systemClock, 20, new AbortController().signal);
  }
}
