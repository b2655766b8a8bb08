/** @portable Where a server listens, of the addresses that this machine has. */
import { AppError } from "../core/error.ts";

export interface InterfaceAddress {
  /** Of the interface: `eth0`. */
  readonly name: string;
  readonly address: string;
  readonly netmask: string;
  readonly family: "IPv4" | "IPv6";
  readonly loopback: boolean;
}

export interface ListenWish {
  /** `ADDRESS:PORT`, `ADDRESS` or `PORT`; an IPv6 address with a port in brackets. */
  readonly listen?: string | undefined;
  readonly interface?: string | undefined;
  /** Machines are to find the server by DHCP: it takes one interface with an IPv4 address that others can reach. */
  readonly dhcp: boolean;
  /** Where none is said. */
  readonly port?: number;
}
export interface ListenPlan {
  readonly address: string;
  readonly port: number;
  /** Addresses that the server can be reached at, at least one. */
  readonly reached: readonly string[];
  /** The interface of {@link address}; of `0.0.0.0` and `::` only where one was named. */
  readonly interface: InterfaceAddress | undefined;
}

const PORT = 8080;
const EVERY = { "0.0.0.0": "IPv4", "::": "IPv6" } as const;

/**
 * Chooses what to listen on. Where nothing is said it is the one address that others can reach; with several of them, one must be named.
 *
 * @throws AppError `LISTEN_INVALID`, `INTERFACE_UNKNOWN`, `INTERFACE_UNCLEAR`, `DHCP_NEEDS_NETWORK`
 */
export function listenPlan(wish: ListenWish, all: readonly InterfaceAddress[]): ListenPlan {
  const { address: wanted, port } = parseListen(wish.listen, wish.port ?? PORT);
  const candidates = wish.interface === undefined ? all : addressesOf(wish.interface, all);
  const plan = (address: string, reached: readonly string[], found: InterfaceAddress | undefined): ListenPlan => {
    if (wish.dhcp) requireNetwork(address, found);
    return { address, port, reached, interface: found };
  };
  const family = EVERY[wanted as keyof typeof EVERY];
  if (wanted !== undefined && family !== undefined) {
    const found = candidates.filter((one) => one.family === family);
    const others = found.filter((one) => !one.loopback);
    const own = others[0] ?? found[0];
    if (wish.interface !== undefined && own) return plan(wanted, [own.address], own);
    const reached = (others.length > 0 ? others : found).map(({ address }) => address);
    return plan(wanted, reached.length > 0 ? reached : [wanted], undefined);
  }
  if (wanted !== undefined) {
    const own = candidates.find(({ address }) => address === wanted);
    if (!own) {
      throw new AppError(
        "LISTEN_INVALID",
        `${wish.interface ?? "no interface"} has ${wish.interface ? "no" : "the"} address ${wanted}`,
        {
          hint: `There are ${describe(candidates)}.`,
        },
      );
    }
    return plan(wanted, [wanted], own);
  }
  const usable = candidates.filter((one) => one.family === "IPv4" && (wish.interface !== undefined || !one.loopback));
  const [own, ...others] = usable;
  if (!own || (others.length > 0 && wish.interface === undefined)) {
    throw new AppError(
      "INTERFACE_UNCLEAR",
      own ? "this machine has several addresses" : "this machine has no address that others can reach",
      {
        hint: own
          ? `Name one: --listen ADDRESS:PORT or --interface NAME. There are ${describe(usable)}.`
          : "Name one: --listen ADDRESS:PORT.",
      },
    );
  }
  return plan(own.address, [own.address], own);
}

const describe = (list: readonly InterfaceAddress[]): string =>
  list.map(({ name, address }) => `${address} (${name})`).join(", ") || "none";

function addressesOf(name: string, all: readonly InterfaceAddress[]): readonly InterfaceAddress[] {
  const own = all.filter((one) => one.name === name);
  if (!own.some(({ family }) => family === "IPv4")) {
    const names = [...new Set(all.filter((one) => one.family === "IPv4" && !one.loopback).map((one) => one.name))];
    const there = names.length > 0 ? `There are ${names.join(", ")}.` : "There is none but loopback.";
    throw new AppError("INTERFACE_UNKNOWN", `there is no interface ${name} that is up and has an IPv4 address`, { hint: there });
  }
  return own;
}

function requireNetwork(address: string, found: InterfaceAddress | undefined): void {
  const refuse = (why: string): AppError =>
    new AppError("DHCP_NEEDS_NETWORK", `machines cannot find this one by DHCP: ${why}`, {
      hint: "Name an interface with an IPv4 address: --interface eth0.",
    });
  if (!found) throw refuse(`${address} is every interface`);
  if (found.loopback) throw refuse(`${found.address} is loopback`);
  if (found.family !== "IPv4") throw refuse(`${found.address} is no IPv4 address`);
}

/** @throws AppError `LISTEN_INVALID` */
function parseListen(
  text: string | undefined,
  otherwise: number,
): { readonly address: string | undefined; readonly port: number } {
  if (text === undefined) return { address: undefined, port: otherwise };
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]*\.[0-9.]*)|([0-9a-f:.]*:[0-9a-f.]*:[0-9a-f:.]*))?(?:(?:^|:)(\d{1,5}))?$/i.exec(
    text,
  );
  const port = match?.[4] === undefined ? otherwise : Number(match[4]);
  if (!match || text === "" || port > 65_535) {
    throw new AppError("LISTEN_INVALID", `${JSON.stringify(text)} is no address to listen on`, {
      hint: "Write ADDRESS:PORT, e.g. 192.0.2.2:8080, or [fd00::2]:8080.",
    });
  }
  return { address: match[1] ?? match[2] ?? match[3], port };
}

/** URL of a path on a server. @param path starts with `/` */
export const serverUrl = (address: string, port: number, path: string): string =>
  `http://${address.includes(":") ? `[${address}]` : address}:${port}${path}`;
