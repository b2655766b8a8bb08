/** @portable Which program of an image sets up its network. */
import type { ImageView } from "../machine/compile/image-view.ts";
import type { NetworkConfig } from "./netplan.ts";

export type Renderer = "networkd" | "networkmanager" | "ifupdown";
interface Program {
  readonly name: string;
  /** Where one of them is, the program is. */
  readonly paths: readonly string[];
  readonly unit: string;
  readonly service: string;
}
/** In the order in which they are taken where an image starts none of them. */
export const PROGRAMS: Readonly<Record<Renderer, Program>> = {
  networkd: {
    name: "systemd-networkd",
    paths: ["/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd"],
    ...{ unit: "systemd-networkd.service", service: "" },
  },
  networkmanager: {
    name: "NetworkManager",
    paths: ["/usr/sbin/NetworkManager", "/usr/bin/NetworkManager"],
    ...{ unit: "NetworkManager.service", service: "networkmanager" },
  },
  ifupdown: {
    name: "ifupdown",
    paths: ["/sbin/ifup", "/usr/sbin/ifup"],
    ...{ unit: "networking.service", service: "networking" },
  },
};
export const RENDERERS = Object.keys(PROGRAMS) as Renderer[];
/** Installed on purpose, so it comes first among those that are started. */
const STARTED_FIRST: readonly Renderer[] = ["networkmanager", "networkd", "ifupdown"];
const ASKED = { networkd: "networkd", NetworkManager: "networkmanager" } as const;

export const hasRenderer = (view: ImageView, renderer: Renderer): boolean =>
  PROGRAMS[renderer].paths.some((path) => view.has(path)) && !(renderer === "networkd" && view.init !== "systemd");

/** Whether the image starts it by itself. */
export function isStarted(view: ImageView, renderer: Renderer): boolean {
  const { unit, service } = PROGRAMS[renderer];
  const [folder, name, groups] =
    view.init === "systemd" ? ["/etc/systemd/system", unit, /\.(?:wants|requires)$/] : ["/etc/runlevels", service, /^/];
  return view
    .list(folder)
    .some((group) => groups.test(group) && view.find(`${folder}/${group}/${name}`, "keep")?.node !== undefined);
}

/** What the config asks for, else what the image starts, else what it has; nothing where it has none. */
export function chooseRenderer(view: ImageView, asked?: NetworkConfig["renderer"]): Renderer | undefined {
  if (asked !== undefined) return hasRenderer(view, ASKED[asked]) ? ASKED[asked] : undefined;
  const there = (renderer: Renderer): boolean => hasRenderer(view, renderer);
  return STARTED_FIRST.find((renderer) => there(renderer) && isStarted(view, renderer)) ?? RENDERERS.find(there);
}
