/** @portable The links that enable, disable and mask a systemd unit: what systemctl(1) would make of a unit file's [Install] section. */
import { whyNoUnit } from "../../words.ts";
import type { ConfiguredUnit } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";
import { gone, link, type Draft, type Unsupported } from "./part.ts";
import { expandSpecifiers, installSection, instanceOf, UNIT_NAME, type InstallSection } from "./unit-text.ts";

export const UNIT_FOLDER = "/etc/systemd/system";
/** In the order in which systemd looks; what is only there at run time aside. Source: systemd.unit(5) */
const FOLDERS = [UNIT_FOLDER, "/usr/lib/systemd/system", "/lib/systemd/system"];
const DEPENDENCIES = { wantedBy: "wants", requiredBy: "requires", upheldBy: "upholds" } as const;

interface Unit {
  /** Its own, where it was named by an alias. */
  readonly name: string;
  /** What links to it say. */
  readonly path: string;
  readonly install: InstallSection;
}
type Found = { readonly is: "unit"; readonly unit: Unit } | { readonly is: "missing" | "masked" };
export interface Links {
  readonly drafts: readonly Draft[];
  readonly unsupported: readonly Unsupported[];
}

/** @param units the config's: their files count before the image's */
function findUnit(view: ImageView, units: readonly ConfiguredUnit[], name: string): Found {
  const template = instanceOf(name)?.template;
  for (const file of [name, ...(template === undefined ? [] : [template])]) {
    const own = units.find((unit) => unit.name === file);
    const dropIns = units
      .filter((unit) => unit.name === file || unit.name === name)
      .flatMap((unit) => unit.dropIns.map(({ content }) => content));
    if (own?.content !== undefined) {
      const install = installSection([own.content, ...dropIns]);
      return { is: "unit", unit: { name, path: `${UNIT_FOLDER}/${file}`, install } };
    }
    for (const folder of FOLDERS) {
      const found = view.find(`${folder}/${file}`, "follow");
      const isUnmasked = folder === UNIT_FOLDER && units.some((unit) => unit.name === file && unit.masked === false);
      if (found?.path === "/dev/null") {
        if (isUnmasked) continue;
        return { is: "masked" };
      }
      if (found?.node !== "file") continue;
      const real = found.path.split("/").at(-1)!;
      const isAlias = real !== file && file === name;
      const install = installSection([view.read(found.path) ?? "", ...dropIns]);
      return { is: "unit", unit: { name: isAlias ? real : name, path: found.path, install } };
    }
  }
  return { is: "missing" };
}

/** As `systemctl enable` makes them. @param key whose problem it is */
export function enableLinks(key: string, name: string, view: ImageView, units: readonly ConfiguredUnit[]): Links {
  const drafts: Draft[] = [];
  const unsupported: Unsupported[] = [];
  const seen = new Set<string>();
  const visit = (asked: string, isWanted: boolean): void => {
    const found = findUnit(view, units, asked);
    if (found.is !== "unit") {
      const problem =
        found.is === "masked"
          ? `${asked} is masked by the image: add mask: false`
          : `neither the image nor the config has ${asked}`;
      if (isWanted) unsupported.push({ key, problem });
      return;
    }
    const { unit } = found;
    const started = instanceOf(unit.name)?.instance === "" ? instanceName(unit) : unit.name;
    if (started === undefined) {
      unsupported.push({
        key,
        problem: `${unit.name} is a template: name an instance, such as ${unit.name.replace("@", "@name")}`,
      });
      return;
    }
    if (seen.has(started)) return;
    seen.add(started);
    const links = linksOf(unit, started);
    const wrong = links.find(
      ({ name: other }) => other === undefined || !UNIT_NAME.test(other) || whyNoUnit("systemd", other) !== undefined,
    );
    if (wrong) {
      unsupported.push({ key, problem: `the [Install] section of ${started} names what is no unit here: ${wrong.says}` });
      return;
    }
    drafts.push(...links.map(({ path }) => link(key, path, unit.path)));
    if (links.length === 0 && unit.install.also.length === 0 && isWanted) {
      unsupported.push({
        ...{ key, problem: `${started} has no [Install] section: nothing says when it is to be started` },
        hint: "Add a drop-in with [Install] and WantedBy=, or enable a unit that needs it.",
      });
    }
    for (const also of unit.install.also) visit(expandSpecifiers(also, started) ?? also, false);
  };
  visit(name, true);
  return { drafts, unsupported };
}

function instanceName({ name, install }: Unit): string | undefined {
  return install.defaultInstance === undefined ? undefined : name.replace("@.", `@${install.defaultInstance}.`);
}

/** @property says the word in the file @property name nothing for one that cannot be told */
function linksOf(
  { install }: Unit,
  started: string,
): { readonly says: string; readonly name: string | undefined; readonly path: string }[] {
  const dependencies = (["wantedBy", "requiredBy", "upheldBy"] as const).flatMap((kind) =>
    install[kind].map((says) => {
      const name = expandSpecifiers(says, started);
      return { says, name, path: `${UNIT_FOLDER}/${name}.${DEPENDENCIES[kind]}/${started}` };
    }),
  );
  const aliases = install.aliases.map((says) => {
    const name = expandSpecifiers(says, started);
    return { says, name, path: `${UNIT_FOLDER}/${name}` };
  });
  return [...dependencies, ...aliases.filter(({ name }) => name !== started)];
}

/** Every link by which the image starts a unit is hidden, and those of what its [Install] section says goes with it. */
export function disableLinks(key: string, name: string, view: ImageView, units: readonly ConfiguredUnit[]): Links {
  const names = new Set<string>();
  const visit = (asked: string): void => {
    const found = findUnit(view, units, asked);
    const own = found.is === "unit" ? found.unit.name : asked;
    if (names.has(own)) return;
    names.add(own);
    if (found.is === "unit") for (const also of found.unit.install.also) visit(also);
  };
  const { is } = findUnit(view, units, name);
  if (is === "missing") return { drafts: [], unsupported: [{ key, problem: `neither the image nor the config has ${name}` }] };
  visit(name);
  const drafts: Draft[] = [];
  for (const entry of view.list(UNIT_FOLDER)) {
    const path = `${UNIT_FOLDER}/${entry}`;
    const node = view.find(path, "keep")?.node;
    if (/\.(?:wants|requires|upholds)$/.test(entry))
      drafts.push(
        ...view
          .list(path)
          .filter((unit) => names.has(unit))
          .map((unit) => gone(key, `${path}/${unit}`)),
      );
    else if (
      typeof node === "object" &&
      node.link !== "/dev/null" &&
      !names.has(entry) &&
      names.has(node.link.split("/").at(-1)!)
    )
      drafts.push(gone(key, path));
  }
  return { drafts, unsupported: [] };
}
