/** @portable Which units of an image start, and which ones something can start. Source: systemd.unit(5), systemd.special(7) */
import { namesAt, textAt, type ImageTree } from "../image-tree.ts";
import { filesByName } from "../layered-folders.ts";
import { UDEV_RULES } from "../start-places.ts";
import { isOn, listOf, parseUnitFile, valueOf, wordsOf } from "../unit-file.ts";
import type { Unit, UnitSet } from "../unit-set.ts";

export interface StartedUnit {
  readonly unit: Unit;
  /** What starts it later: a socket, a timer, a path, D-Bus, a failure; nothing where it is part of every boot. */
  readonly by?: string;
}

/** What pulls another unit in. */
const PULLS = ["Wants", "Requires", "BindsTo", "Upholds"] as const;
/** What may start another unit when something happens. */
const REACTS = ["OnFailure", "OnSuccess"] as const;
/** Of every boot: the target, and what units have without saying so. */
const ROOTS = ["default.target", "sysinit.target"] as const;

const DBUS_SERVICES = "/usr/share/dbus-1/system-services";

/**
 * By the name of the unit. Conditions are not asked: what they ask of is not in an image. Units that generators make at boot are not known.
 *
 * @param also names of units that start, besides
 */
export function startedUnits(tree: ImageTree, units: UnitSet, also: readonly string[] = []): ReadonlyMap<string, StartedUnit> {
  const found = new Map<string, StartedUnit>();
  const waiting: (readonly [name: string, by?: string])[] = [...ROOTS, ...also].map((name) => [name]);
  const later: (readonly [name: string, by?: string])[] = [...deviceUnits(tree)];
  let hasBus = false;
  for (;;) {
    // Everything that starts by itself comes before what something starts: a unit that is both is part of the boot.
    const next = waiting.shift() ?? later.shift();
    if (!next) {
      if (hasBus || !found.has("dbus.socket")) return found;
      hasBus = true;
      later.push(...busUnits(tree));
      continue;
    }
    const [name, by] = next;
    const unit = units.load(name);
    if (unit.state !== "loaded" || found.has(unit.name)) continue;
    found.set(unit.name, { unit, ...(by === undefined ? {} : { by }) });
    const pulled = [...unit.wants, ...PULLS.flatMap((key) => listOf(unit.settings, "Unit", key).flatMap(wordsOf))];
    (by === undefined ? waiting : later).push(
      ...pulled.map((one) => (by === undefined ? ([one] as const) : ([one, by] as const))),
    );
    later.push(...activated(unit));
  }
}

/** What a unit starts when something happens. */
function activated({ name, settings }: Unit): readonly (readonly [name: string, by: string])[] {
  const reacts = REACTS.flatMap((key) => listOf(settings, "Unit", key).flatMap(wordsOf));
  const stem = name.slice(0, name.lastIndexOf("."));
  const own = ((): readonly string[] => {
    if (name.endsWith(".socket")) {
      // One process for each connection is an instance of a template.
      const service = isOn(settings, "Socket", "Accept") ? `${stem}@CONNECTION.service` : `${stem}.service`;
      return [valueOf(settings, "Socket", "Service") ?? service];
    }
    if (name.endsWith(".timer")) return [valueOf(settings, "Timer", "Unit") ?? `${stem}.service`];
    if (name.endsWith(".path")) return [valueOf(settings, "Path", "Unit") ?? `${stem}.service`];
    if (name.endsWith(".automount")) return [`${stem}.mount`];
    return [];
  })();
  return [...own, ...reacts].map((one) => [one, name]);
}

/** Source: D-Bus specification, "Message Bus Starting Services"; systemd's own key in them */
function busUnits(tree: ImageTree): readonly (readonly [name: string, by: string])[] {
  return namesAt(tree, DBUS_SERVICES).flatMap((file) => {
    const unit = valueOf(parseUnitFile(textAt(tree, `${DBUS_SERVICES}/${file}`) ?? ""), "D-BUS Service", "SystemdService");
    return unit === undefined ? [] : [[unit, `D-Bus name ${file.replace(/\.service$/, "")}`] as const];
  });
}

/** Source: systemd.device(5), `SYSTEMD_WANTS=` */
function deviceUnits(tree: ImageTree): readonly (readonly [name: string, by: string])[] {
  return filesByName(tree, UDEV_RULES.folders, UDEV_RULES.suffix).flatMap((path) =>
    [...(textAt(tree, path) ?? "").matchAll(/^(?!\s*#).*?SYSTEMD_WANTS\}\s*\+?=\s*"([^"]*)"/gm)].flatMap(([, names = ""]) =>
      wordsOf(names).map((name) => [name, "a device"] as const),
    ),
  );
}
