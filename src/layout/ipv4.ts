/** @portable IPv4 addresses and the network that they are in. */

const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ADDRESS = new RegExp(`^${OCTET}(\\.${OCTET}){3}$`);

/** Dotted decimal to a number; nothing for any other text, leading zeros included. */
export function parseIpv4(text: string): number | undefined {
  if (!ADDRESS.test(text)) return undefined;
  return text.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

export const formatIpv4 = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");

export interface Ipv4Network {
  /** Its first address, which is its name. */
  readonly first: number;
  /** Its last address, which is everybody's. */
  readonly last: number;
}

/** @param netmask as interfaces have it: `255.255.255.0` */
export function ipv4Network(address: string, netmask: string): Ipv4Network {
  const [own, mask] = [parseIpv4(address), parseIpv4(netmask)];
  if (own === undefined || mask === undefined) throw new Error(`no IPv4 address: ${address} ${netmask}`);
  const size = 2 ** 32 - mask;
  const first = Math.floor(own / size) * size;
  return { first, last: first + size - 1 };
}
