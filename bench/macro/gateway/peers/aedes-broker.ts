// SPDX-License-Identifier: Apache-2.0
/**
 * aedes, the MQTT broker in JavaScript, as its documentation starts it. It is no dependency of
 * Muster: the bench installs it into its cache and says here where.
 */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { pathToFileURL } from "node:url";

interface Broker {
  handle(socket: Socket): void;
}

const [moduleFile = ""] = process.argv.slice(2);
const { Aedes } = (await import(pathToFileURL(moduleFile).href)) as {
  Aedes: { createBroker(): Promise<Broker> };
};
const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, (socket) => broker.handle(socket));
server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
