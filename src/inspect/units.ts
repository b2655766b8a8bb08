/** What an image starts by itself. */
import type { ImageTree } from "./image-tree.ts";

export type InitName = "systemd" | "openrc" | "busybox" | "unknown";

export interface FoundUnits {
  /** Somebody asked for them: the recipe, a package when it was installed, petrify. `by`: the target or runlevel. */
  readonly enabled: readonly { readonly name: string; readonly by: string }[];
  /** Never started, whoever asks. */
  readonly masked: readonly string[];
}

const OWN = "/etc/systemd/system";
const VENDOR = ["/usr/lib/systemd/system", "/lib/systemd/system"] as const;
const PETRIFY = /^petrify/;

/** By what `/sbin/init` is in the end. */
export function initOf(tree: ImageTree): InitName {
  const path =
    (tree.find("/sbin/init") ?? tree.find("/usr/lib/systemd/systemd") ?? tree.find("/lib/systemd/systemd"))?.path ?? "";
  if (path.endsWith("/systemd")) return "systemd";
  if (tree.find("/sbin/openrc") ?? tree.find("/usr/sbin/openrc")) return "openrc";
  return path.endsWith("/busybox") ? "busybox" : "unknown";
}

/** Sorted by name. What packages of the distribution start without being asked (static units) is not listed. */
export function unitsOf(tree: ImageTree, init: InitName): FoundUnits {
  if (init === "openrc") return { enabled: services(tree), masked: [] };
  if (init !== "systemd") return { enabled: [], masked: [] };
  const masked = tree.names(OWN).filter((name) => tree.nodes.get(`${tree.find(OWN)!.path}/${name}`)?.target === "/dev/null");
  const own = wanted(tree, OWN);
  const petrifys = VENDOR.flatMap((folder) => wanted(tree, folder)).filter(({ name }) => PETRIFY.test(name));
  const all = new Map([...petrifys, ...own].map((unit) => [`${unit.name} ${unit.by}`, unit]));
  const isMasked = (name: string): boolean =>
    masked.includes(name) || (masked.includes(templateOf(name)) && !tree.find(`${OWN}/${name}`));
  const enabled = [...all.values()].filter(({ name, by }) => !isMasked(name) && !isMasked(by)).toSorted(byNameAndTarget);
  return { enabled, masked };
}

/** `getty@.service` of `getty@tty1.service`: an instance without a file of its own is its template's. */
const templateOf = (name: string): string => name.replace(/@.*(?=\.[^.]+$)/, "@");

/** Source: systemd.unit(5), "TARGET.wants/", "TARGET.requires/", "TARGET.upholds/". */
function wanted(tree: ImageTree, folder: string): { name: string; by: string }[] {
  return tree.names(folder).flatMap((target) => {
    const by = /^(.+)\.(?:wants|requires|upholds)$/.exec(target)?.[1];
    return by === undefined ? [] : tree.names(`${folder}/${target}`).map((name) => ({ name, by }));
  });
}

function services(tree: ImageTree): { name: string; by: string }[] {
  const runlevels = "/etc/runlevels";
  return tree
    .names(runlevels)
    .flatMap((by) => tree.names(`${runlevels}/${by}`).map((name) => ({ name, by })))
    .toSorted(byNameAndTarget);
}

function byNameAndTarget(a: { name: string; by: string }, b: { name: string; by: string }): number {
  const [one, other] = [`${a.name} ${a.by}`, `${b.name} ${b.by}`];
  return one < other ? -1 : one > other ? 1 : 0;
}
