/** @portable The network as clouds describe it, as `network` of a machine config. */
import { openStackNetwork } from "./openstack-network.ts";
import { readPlain } from "./read-plain.ts";

/** A document, or why there is none; nothing for what is empty. */
export type NetworkDocument = { readonly text: string } | { readonly problem: string } | undefined;

const documentOf = (network: unknown): NetworkDocument => ({
  text: `#cloud-config\n${JSON.stringify({ network }, undefined, 2)}\n`,
});

/** `network-config` of NoCloud: netplan's format, version 2, under `network` or without it. Never throws. Source: cloud-init, "Network configuration" */
export function noCloudNetwork(bytes: Uint8Array, origin: string): NetworkDocument {
  const read = readPlain(bytes, origin);
  if ("problem" in read) return read;
  const network = read.value["network"] ?? read.value;
  if (typeof network !== "object" || network === null) return { problem: `${origin}: network must be a mapping` };
  if (Object.keys(network).length === 0) return undefined;
  const { version, config } = network as Readonly<Record<string, unknown>>;
  if (config === "disabled") return { problem: `${origin}: config: disabled is not read (a machine without network has none)` };
  if (version === 2) return documentOf(network);
  if (version === 1)
    return { problem: `${origin}: version 1 of a network is not read (write it in version 2, as netplan has it)` };
  return { problem: `${origin}: it is no network of version 2` };
}

/** `network_data.json` of a config drive. Never throws. */
export function driveNetwork(bytes: Uint8Array, origin: string): NetworkDocument {
  const read = readPlain(bytes, origin);
  if ("problem" in read) return read;
  const found = openStackNetwork(read.value);
  if ("problem" in found) return { problem: `${origin}: ${found.problem}` };
  return found.network && documentOf(found.network);
}
