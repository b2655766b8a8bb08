/** @portable Which services a change of files starts, stops or starts again. */
import type { TreeEntry } from "../../../layout/compiled-config.ts";
import type { InitKind } from "../../words.ts";
import { UNIT_FOLDER } from "./enable-unit.ts";
import { instanceOf } from "./unit-text.ts";

export interface UnitChanges {
  readonly stop: readonly string[];
  /** Those that run: one that does not is left alone. */
  readonly restart: readonly string[];
  readonly start: readonly string[];
  /** Those that are only as they are now after a reboot. */
  readonly later: readonly string[];
  /** Whether systemd has to read its units again. */
  readonly reload: boolean;
}
type Wish = "stop" | "restart" | "start" | "later";

const RELOADED = [/^\/etc\/systemd\/(?:system|system\.conf\.d)\//, /^\/etc\/containers\/systemd\//];
/** Starting them again would take away what stands on them. */
const LEFT_ALONE = /\.(?:target|slice|mount|automount|swap)$|^(?:dbus|dbus-broker|user@.*)\.service$/;
/** What these want is not for now. Source: systemd.special(7) */
const OF_AN_END =
  /^(?:shutdown|reboot|soft-reboot|poweroff|halt|kexec|final|umount|exit|rescue|emergency|sleep|suspend|hibernate|hybrid-sleep|suspend-then-hibernate|factory-reset)\.target\./;
/** Reached where somebody asks for them, or a device comes: what they want is not started before. Source: systemd.special(7) */
const ON_DEMAND = /^(?:network-online|time-sync|bluetooth|printer|smartcard|sound|usb-gadget)\.target\./;

/** @param changed the paths that differ */
export function unitChanges(
  before: readonly TreeEntry[],
  after: readonly TreeEntry[],
  changed: readonly { readonly name: string; readonly how: "added" | "changed" | "removed" }[],
  init: InitKind,
): UnitChanges {
  const [old, now] = [byPath(before), byPath(after)];
  const wishes = new Map<string, Set<Wish>>();
  for (const { name: path } of changed) {
    const found = (init === "systemd" ? systemdWish : openrcWish)(path, old.get(path), now.get(path));
    if (found) wishes.set(found.unit, (wishes.get(found.unit) ?? new Set()).add(found.wish));
  }
  const units = (wish: Wish): string[] =>
    [...wishes]
      .filter(([, all]) => strongest(all) === wish)
      .map(([unit]) => unit)
      .sort();
  const reload = init === "systemd" && changed.some(({ name }) => RELOADED.some((pattern) => pattern.test(name)));
  return { stop: units("stop"), restart: units("restart"), start: units("start"), later: units("later"), reload };
}

/** What is disabled stops, whatever else was changed; what is enabled anew is started, which reads all of it. */
const strongest = (wishes: ReadonlySet<Wish>): Wish =>
  (["stop", "start", "restart", "later"] as const).find((wish) => wishes.has(wish))!;

const byPath = (entries: readonly TreeEntry[]): Map<string, TreeEntry["what"]> =>
  new Map(entries.map(({ path, what }) => [path, what]));

type Found = { readonly unit: string; readonly wish: Wish } | undefined;
type What = TreeEntry["what"] | undefined;

function systemdWish(path: string, before: What, after: What): Found {
  const quadlet = /^\/etc\/containers\/systemd\/([^/]+)\.container$/.exec(path)?.[1];
  if (quadlet !== undefined) return { unit: `${quadlet}.service`, wish: !after ? "stop" : before ? "restart" : "start" };
  if (!path.startsWith(`${UNIT_FOLDER}/`)) return undefined;
  const [first = "", second, ...deeper] = path.slice(UNIT_FOLDER.length + 1).split("/");
  if (deeper.length > 0) return undefined;
  if (second === undefined) return unitFile(first, before, after);
  const dropInOf = /^(.+)\.d$/.exec(first)?.[1];
  if (dropInOf !== undefined) return restarted(dropInOf);
  if (!/\.target\.(?:wants|requires|upholds)$/.test(first) || OF_AN_END.test(first)) return undefined;
  const [was, is] = [before?.is === "link", after?.is === "link"];
  if (is && ON_DEMAND.test(first)) return undefined;
  if (was !== is) return { unit: second, wish: is ? "start" : "stop" };
  // The image's link is hidden, or back.
  return after?.is === "gone"
    ? { unit: second, wish: "stop" }
    : before?.is === "gone"
      ? { unit: second, wish: "start" }
      : undefined;
}

function unitFile(unit: string, before: What, after: What): Found {
  if (isMask(after)) return { unit, wish: "stop" };
  if (before?.is === "file" && after?.is !== "file") return { unit, wish: "stop" };
  return after?.is === "file" ? restarted(unit) : undefined;
}

function restarted(unit: string): Found {
  if (LEFT_ALONE.test(unit)) return { unit, wish: "later" };
  const isTemplate = instanceOf(unit)?.instance === "";
  return { unit: isTemplate ? unit.replace("@.", "@*.") : unit, wish: "restart" };
}

const isMask = (what: What): boolean => what?.is === "link" && what.to === "/dev/null";

function openrcWish(path: string, before: What, after: What): Found {
  const [, script] = /^\/etc\/(?:init|conf)\.d\/([^/]+)$/.exec(path) ?? [];
  if (script !== undefined) {
    const isRemoved = path.startsWith("/etc/init.d/") && !after;
    return { unit: script, wish: isRemoved ? "stop" : "restart" };
  }
  const [, service] = /^\/etc\/runlevels\/[^/]+\/([^/]+)$/.exec(path) ?? [];
  if (service === undefined) return undefined;
  const isStarted = after === undefined ? before?.is === "gone" : after.is === "link";
  return { unit: service, wish: isStarted ? "start" : "stop" };
}
