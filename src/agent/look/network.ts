import { join } from "node:path";
import { z } from "zod";
import { interfaceAddresses } from "../../host/interfaces.ts";
import { listFolder, readText } from "../../host/files.ts";
import { parseRoutes4, parseRoutes6, parseSockets } from "../../layout/proc-net.ts";
import type { LinkJson, NetworkResponseJson, SocketJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall, type LookPorts } from "./call.ts";
import { wholeJson } from "./json.ts";

/** A machine that serves many has that many; a table of more is no use to anybody. */
const MOST_SOCKETS = 4096;

export const network = lookCall({
  request: z.strictObject({ sockets: z.boolean().default(false) }),
  answer: async ({ sockets }, ports): Promise<NetworkResponseJson> => {
    const read = reader(ports);
    const names = await listFolder(join(ports.root, "sys/class/net")).catch(() => []);
    const links = await Promise.all(names.map(async (name) => await linkOf(name, read)));
    return {
      links: links.filter((link) => link !== undefined),
      routes: [...parseRoutes4(await read("proc/net/route")), ...parseRoutes6(await read("proc/net/ipv6_route"))],
      ...(sockets ? { sockets: await socketsOf(read) } : {}),
    };
  },
});

type Read = (path: string) => Promise<string>;
/** Nothing for what is not there. */
const reader =
  ({ root }: Pick<LookPorts, "root">): Read =>
  async (path) =>
    await readText(join(root, path)).catch(() => "");

/** @returns nothing for a file among the folders, such as that of bonds */
async function linkOf(name: string, read: Read): Promise<LinkJson | undefined> {
  const fact = async (file: string): Promise<string> => (await read(`sys/class/net/${name}/${file}`)).trim();
  const count = async (file: string): Promise<string> => wholeJson(Number(await fact(`statistics/${file}`)) || 0);
  const mtu = Number(await fact("mtu"));
  if (!(mtu > 0)) return undefined;
  // Less than 0 where nobody knows.
  const speed = Number(await fact("speed"));
  const addresses = interfaceAddresses().filter((one) => one.name === name);
  return {
    ...{ name, mtu, state: await fact("operstate"), hardware: await fact("address") },
    addresses: addresses.map(({ address, netmask }) => `${address}/${prefixLength(netmask)}`),
    ...(speed > 0 ? { megabits: speed } : {}),
    ...{ receivedBytes: await count("rx_bytes"), receivedPackets: await count("rx_packets") },
    ...{ receiveErrors: await count("rx_errors"), receiveDrops: await count("rx_dropped") },
    ...{ sentBytes: await count("tx_bytes"), sentPackets: await count("tx_packets") },
    ...{ sendErrors: await count("tx_errors"), sendDrops: await count("tx_dropped") },
  };
}

async function socketsOf(read: Read): Promise<SocketJson[]> {
  const kinds = ["tcp", "tcp6", "udp", "udp6"].map((name) => ({ name, kind: name.startsWith("tcp") ? "tcp" : "udp" }) as const);
  const lists = await Promise.all(
    kinds.map(async ({ name, kind }) =>
      parseSockets(await read(`proc/net/${name}`), kind).map(({ local, remote, state, uid }) => ({
        ...{ protocol: kind, local, remote, state, uid },
      })),
    ),
  );
  // Those that wait for others first: they are what a machine is there for.
  return lists
    .flat()
    .toSorted((one, other) => Number(other.remote === "") - Number(one.remote === ""))
    .slice(0, MOST_SOCKETS);
}

/** `255.255.255.0` and `ffff:ffff::` are 24 and 32. */
export const prefixLength = (netmask: string): number =>
  (netmask.includes(":") ? netmask.split(":").map((group) => Number.parseInt(group || "0", 16)) : netmask.split(".").map(Number))
    .map((part) => part.toString(2).replaceAll("0", "").length)
    .reduce((sum, one) => sum + one, 0);
