/** @portable `units`: of systemd with drop-ins, links and masks, of OpenRC as scripts and runlevels. */
import { openrcService, whyNoUnit } from "../../words.ts";
import type { ConfiguredUnit, NodeConfig } from "../node-config.ts";
import { disableLinks, enableLinks, UNIT_FOLDER } from "./enable-unit.ts";
import type { Labels } from "./files.ts";
import type { ImageView } from "./image-view.ts";
import { gone, link, textFile, type Draft, type Part, type Unsupported } from "./part.ts";
import { UNIT_NAME } from "./unit-text.ts";

/** The agent, and what it stands on: a machine without it could not be mended from afar. */
const OWN = /^petrify(?:d|-|@|\.|$)/;
const DROP_IN = /^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,200}\.conf$/;
const RUNLEVELS = "/etc/runlevels";

export function compileUnits({ units }: Pick<NodeConfig, "units">, view: ImageView, labels: Labels): Part {
  const drafts: Draft[] = [];
  const unsupported: Unsupported[] = [];
  for (const unit of units) {
    const key = labels.get(unit) ?? `units[${unit.name}]`;
    const no = UNIT_NAME.test(unit.name) ? whyNoUnit(view.init, unit.name) : "is no name that a unit can have";
    const problem = no ?? (OWN.test(unit.name) ? "is petrify's own" : undefined);
    if (problem !== undefined) {
      unsupported.push({ key, problem });
      continue;
    }
    const part = view.init === "systemd" ? systemdUnit(key, unit, view, units) : openrcUnit(key, unit, view);
    drafts.push(...part.drafts);
    unsupported.push(...part.unsupported);
  }
  return { drafts, unsupported };
}

interface UnitPart {
  readonly drafts: readonly Draft[];
  readonly unsupported: readonly Unsupported[];
}

function systemdUnit(key: string, unit: ConfiguredUnit, view: ImageView, units: readonly ConfiguredUnit[]): UnitPart {
  const { name, content, dropIns, enabled, masked } = unit;
  const path = `${UNIT_FOLDER}/${name}`;
  const drafts: Draft[] = [];
  const unsupported: Unsupported[] = [];
  if (masked === true) {
    if (content !== undefined || enabled === true)
      unsupported.push({ key: `${key}.mask`, problem: "is for a unit that is neither written nor enabled here" });
    return { drafts: [link(`${key}.mask`, path, "/dev/null")], unsupported };
  }
  if (content !== undefined) {
    if (content.startsWith("#!")) unsupported.push({ key: `${key}.content`, problem: "is a script: this image has systemd" });
    else drafts.push(textFile(`${key}.content`, path, ended(content)));
  } else if (masked === false && view.find(path, "follow")?.path === "/dev/null") drafts.push(gone(`${key}.mask`, path));
  for (const dropIn of dropIns) {
    const at = `${key}.drop_ins[${dropIn.name}]`;
    if (!DROP_IN.test(dropIn.name)) unsupported.push({ key: at, problem: "must be a file name that ends in .conf" });
    else drafts.push(textFile(at, `${path}.d/${dropIn.name}`, ended(dropIn.content)));
  }
  if (enabled === undefined) return { drafts, unsupported };
  const links = (enabled ? enableLinks : disableLinks)(`${key}.enable`, name, view, units);
  return { drafts: [...drafts, ...links.drafts], unsupported: [...unsupported, ...links.unsupported] };
}

function openrcUnit(key: string, { name, content, dropIns, enabled, masked }: ConfiguredUnit, view: ImageView): UnitPart {
  const service = openrcService(name);
  const path = `/etc/init.d/${service}`;
  const drafts: Draft[] = [];
  const unsupported: Unsupported[] = [];
  if (masked === true)
    unsupported.push({ key: `${key}.mask`, problem: "is for systemd: OpenRC has no masks", hint: "Use enable: false." });
  if (dropIns.length > 0) {
    const hint = `Write /etc/conf.d/${service} under write_files.`;
    unsupported.push({ key: `${key}.drop_ins`, problem: "are for systemd: OpenRC has none", hint });
  }
  if (content !== undefined) {
    if (content.startsWith("#!")) drafts.push(textFile(`${key}.content`, path, ended(content), 0o755));
    else
      unsupported.push({ key: `${key}.content`, problem: "must be a script of OpenRC, whose first line is #!/sbin/openrc-run" });
  }
  if (enabled === undefined) return { drafts, unsupported };
  if (content === undefined && !view.has(path)) {
    unsupported.push({ key: `${key}.enable`, problem: `neither the image nor the config has ${path}` });
    return { drafts, unsupported };
  }
  const links = enabled ? openrcEnable(`${key}.enable`, service, view) : openrcDisable(`${key}.enable`, service, view);
  return { drafts: [...drafts, ...links], unsupported };
}

const startedIn = (service: string, view: ImageView): string[] =>
  view
    .list(RUNLEVELS)
    .map((level) => `${RUNLEVELS}/${level}/${service}`)
    .filter((path) => view.find(path, "keep")?.node !== undefined);

/** One that an earlier runlevel starts stays there. */
export const openrcEnable = (key: string, service: string, view: ImageView): Draft[] =>
  startedIn(service, view).length > 0 ? [] : [link(key, `${RUNLEVELS}/default/${service}`, `/etc/init.d/${service}`)];
export const openrcDisable = (key: string, service: string, view: ImageView): Draft[] =>
  startedIn(service, view).map((path) => gone(key, path));

const ended = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`);
