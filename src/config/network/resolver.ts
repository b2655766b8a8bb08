/** @portable Who looks up names on a machine: `/etc/resolv.conf`. */
import { enableLinks, type Links } from "../machine/compile/enable-unit.ts";
import type { ImageView } from "../machine/compile/image-view.ts";
import { link, MARK } from "../machine/compile/part.ts";
import type { Renderer } from "./choose-renderer.ts";
import { linksOf } from "./links.ts";
import type { NetworkConfig } from "./netplan.ts";
import type { RenderedFile } from "./rendered.ts";
import { oneLine } from "./sections.ts";

export interface Resolver extends Links {
  readonly files: readonly RenderedFile[];
  readonly notes: readonly string[];
}

const PATH = "/etc/resolv.conf";
const RESOLVED = ["/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved"];
/** The C library asks no more. Source: resolv.conf(5), MAXNS */
const MOST_SERVERS = 3;

/** NetworkManager does all of it by itself. */
export function compileResolver(config: NetworkConfig, view: ImageView, renderer: Renderer): Resolver {
  const nothing: Resolver = { files: [], drafts: [], unsupported: [], notes: [] };
  if (renderer === "networkmanager") return nothing;
  if (renderer === "networkd" && view.init === "systemd" && RESOLVED.some((path) => view.has(path))) {
    const enabled = enableLinks("network", "systemd-resolved.service", view, []);
    const node = view.find(PATH, "keep")?.node;
    const isLink = typeof node === "object" && node.link.includes("systemd/resolve/");
    const drafts = isLink
      ? enabled.drafts
      : [...enabled.drafts, link("network", PATH, "../run/systemd/resolve/stub-resolv.conf")];
    // A masked one is not used.
    if (enabled.unsupported.length === 0) return { ...nothing, drafts };
  }
  const links = linksOf(config).map(({ is }) => is);
  const servers = [...new Set(links.flatMap(({ nameservers }) => nameservers?.addresses ?? []))];
  const search = [...new Set(links.flatMap(({ nameservers }) => nameservers?.search ?? []))].filter((domain) =>
    /^[^~.]/.test(domain),
  );
  const asks = links.some(({ dhcp4, dhcp6 }) => dhcp4 === true || dhcp6 === true);
  const notes: string[] = [];
  if (renderer === "networkd" && asks)
    notes.push(
      "network: the image has no systemd-resolved, so name servers that DHCP tells are not used: write them below nameservers.",
    );
  if (renderer === "ifupdown" && asks && servers.length > 0)
    notes.push(`network: the DHCP client writes ${PATH} anew, and with it the nameservers of the config are gone.`);
  if (servers.length > MOST_SERVERS)
    notes.push(`network: ${PATH} has the first ${MOST_SERVERS} name servers: no more are asked.`);
  if (servers.length === 0 && search.length === 0) return { ...nothing, notes };
  const lines = [
    ...servers.slice(0, MOST_SERVERS).map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
  ];
  return {
    ...nothing,
    files: [{ path: PATH, mode: 0o644, text: `${MARK}${lines.map((line) => `${oneLine(line)}\n`).join("")}` }],
    notes,
  };
}
