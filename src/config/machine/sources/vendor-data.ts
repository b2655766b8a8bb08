/** @portable `vendor_data.json` of a config drive: what the cloud's owner says. Source: cloud-init, "Vendor-data" */
import { readPlain } from "./read-plain.ts";

/** The machine config under `cloud-init`; nothing where there is none. Never throws. */
export function vendorDocument(
  bytes: Uint8Array,
  origin: string,
): { readonly text: string } | { readonly problem: string } | undefined {
  const read = readPlain(bytes, origin);
  if ("problem" in read) return read;
  const text = read.value["cloud-init"];
  if (text === undefined || text === null || text === "") return undefined;
  if (typeof text === "string") return { text };
  return { problem: `${origin}: cloud-init must be text (one #cloud-config)` };
}
