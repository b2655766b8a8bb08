import { networkInterfaces } from "node:os";
import type { InterfaceAddress } from "../layout/listen-address.ts";

/** The addresses of this machine's network interfaces, those that are up. */
export const interfaceAddresses = (): InterfaceAddress[] =>
  Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).map(({ address, netmask, family, internal }) => ({ name, address, netmask, family, loopback: internal })),
  );
