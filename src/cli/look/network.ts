import type { Command } from "commander";
import type { Cli } from "../context.ts";
import type { NodeOptions } from "../nodes/options.ts";
import { sizeCell, textCell } from "./cells.ts";
import { registerLook } from "./look.ts";

/** `petrify -n NODE network`: a command for each of its tables. */
export function registerNetwork(program: Command, cli: Cli): void {
  const network = program
    .command("network")
    .summary("links, addresses, routes and sockets of machines")
    .description("Asks machines for what they have of networks.")
    .helpCommand(false);
  registerLook(network, cli, {
    ...{ method: "network", name: "links", isDefault: true },
    summary: "links, their addresses, and what went by them",
    description: "Asks machines for their network interfaces. This is what `network` alone does, too.",
    examples: ["petrify -n edge-7,edge-8 network", "petrify -n edge-7 network --json | jq '.value.nodes[0].value.links'"],
    heads: ["LINK", "STATE", "ADDRESSES", "HARDWARE", "MTU", "RECEIVED", "SENT", "ERRORS", "DROPPED"],
    rows: ({ links }) =>
      links.map(({ name, state, addresses, hardware, mtu, receivedBytes, sentBytes, ...count }) => [
        ...[name, state, textCell(addresses.join(", ")), textCell(hardware), String(mtu)],
        ...[receivedBytes, sentBytes].map(sizeCell),
        ...[count.receiveErrors + count.sendErrors, count.receiveDrops + count.sendDrops].map(String),
      ]),
  });
  registerLook(network, cli, {
    ...{ method: "network", name: "routes" },
    summary: "where packets go",
    description: "Asks machines for their routes. Those to a machine itself are not among them.",
    examples: ["petrify -n edge-7,edge-8 network routes"],
    heads: ["TO", "BY WAY OF", "LINK", "METRIC"],
    rows: ({ routes }) => routes.map(({ to, gateway, link, metric }) => [to, textCell(gateway), link, String(metric)]),
  });
  registerLook<"network", SocketsOptions>(network, cli, {
    ...{ method: "network", name: "sockets" },
    summary: "sockets of TCP and UDP",
    description: "Asks machines for their sockets: those that wait for others first.",
    examples: ["petrify -n edge-7 network sockets --listening"],
    options: (command) => command.option("--listening", "only those that wait for others"),
    request: () => ({ sockets: true }),
    heads: ["PROTOCOL", "LOCAL", "REMOTE", "STATE", "UID"],
    rows: ({ sockets }, { listening = false }) =>
      sockets
        .filter(({ remote }) => !listening || remote === "")
        .map(({ protocol, local, remote, state, uid }) => [protocol, local, textCell(remote), state, String(uid)]),
  });
}

interface SocketsOptions extends NodeOptions {
  readonly listening?: boolean;
}
