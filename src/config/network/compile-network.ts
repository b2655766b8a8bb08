/** @portable `network` of a machine config on one image: files, and what has to be started for them. docs/concepts/network.md */
import type { NetworkFiles } from "../machine/compile/compile-config.ts";
import { disableLinks, enableLinks, type Links } from "../machine/compile/enable-unit.ts";
import type { ImageView } from "../machine/compile/image-view.ts";
import { link, type Unsupported } from "../machine/compile/part.ts";
import { openrcDisable, openrcEnable } from "../machine/compile/units.ts";
import type { NetworkProblem } from "./checks.ts";
import { chooseRenderer, hasRenderer, isStarted, PROGRAMS, RENDERERS, type Renderer } from "./choose-renderer.ts";
import { renderIfupdown } from "./ifupdown.ts";
import { linksOf } from "./links.ts";
import { parseNetwork } from "./network-section.ts";
import type { NetworkConfig } from "./netplan.ts";
import { NETWORKD_FOLDER, renderNetworkd } from "./networkd.ts";
import { renderNetworkManager } from "./network-manager.ts";
import type { RenderedNetwork, Supplicant } from "./rendered.ts";
import { compileResolver } from "./resolver.ts";

const KEY = "network";
const RENDER: Readonly<Record<Renderer, (config: NetworkConfig) => RenderedNetwork>> = {
  networkd: renderNetworkd,
  networkmanager: renderNetworkManager,
  ifupdown: renderIfupdown,
};
/** petrify's own, of an image that is told nothing: every wired interface asks DHCP. */
const ASK_DHCP = "89-petrify-dhcp.network";

/** Without a link in it, the image's own network stays. @param value `network` of a document; it is checked here, too */
export function compileNetwork(value: unknown, view: ImageView): NetworkFiles {
  if (value === undefined) return { files: [] };
  const parsed = parseNetwork(value);
  if ("problems" in parsed) return { files: [], unsupported: parsed.problems.map((problem) => unsupportedOf(problem)) };
  const { config } = parsed;
  if (linksOf(config).length === 0) return { files: [] };
  const renderer = chooseRenderer(view, config.renderer);
  if (renderer === undefined) return { files: [], unsupported: [missing(config)] };
  const { files, supplicants, unsupported } = RENDER[renderer](config);
  const resolver = compileResolver(config, view, renderer);
  const parts: readonly Links[] = [
    start(renderer, view),
    ...RENDERERS.filter((other) => other !== renderer && hasRenderer(view, other) && isStarted(view, other)).map((other) =>
      stop(other, view),
    ),
    ...supplicants.map((supplicant) => startSupplicant(supplicant, renderer, view)),
    { drafts: renderer === "networkd" ? [link(KEY, `${NETWORKD_FOLDER}/${ASK_DHCP}`, "/dev/null")] : [], unsupported: [] },
    resolver,
  ];
  const drafts = parts.flatMap((part) => part.drafts);
  const groups = (view.read("/etc/group") ?? "").split("\n").map((line) => line.split(":")[0]);
  return {
    files: [
      ...files.map((file) =>
        file.owner === undefined || groups.includes(file.owner.split(":")[1]) ? file : { ...file, owner: "root:root" },
      ),
      ...resolver.files,
    ],
    links: drafts.flatMap(({ path, what }) => (what.is === "link" ? [{ path, to: what.to }] : [])),
    gone: drafts.flatMap(({ path, what }) => (what.is === "gone" ? [path] : [])),
    unsupported: [
      ...unsupported.map((problem) => unsupportedOf(problem, renderer)),
      ...parts.flatMap((part) => part.unsupported),
    ],
    notes: resolver.notes,
  };
}

const OTHERS: Readonly<Record<Renderer, string | undefined>> = {
  networkd: undefined,
  networkmanager: "Put systemd-networkd into the recipe, and renderer: networkd into the config.",
  ifupdown: "Put systemd-networkd or NetworkManager into the recipe.",
};
function unsupportedOf({ path, message }: NetworkProblem, renderer?: Renderer): Unsupported {
  const key = path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : `${text}.${shown(String(part))}`),
    KEY,
  );
  const hint = renderer && OTHERS[renderer];
  return { key, problem: message, ...(hint !== undefined && { hint }) };
}
/** A name may be anything. */
const shown = (part: string): string => (/^[\w.@+=-]{1,64}$/.test(part) ? part : JSON.stringify(part.slice(0, 64)));

function missing({ renderer }: NetworkConfig): Unsupported {
  if (renderer !== undefined)
    return { key: `${KEY}.renderer`, problem: `the image has no ${renderer}`, hint: `Put ${renderer} into the recipe.` };
  const hint = "Put systemd-networkd, NetworkManager or ifupdown into the recipe.";
  return { key: KEY, problem: "the image has no program that sets up a network", hint };
}

function start(renderer: Renderer, view: ImageView): Links {
  const { unit, service } = PROGRAMS[renderer];
  if (view.init === "openrc") return { drafts: openrcEnable(KEY, service, view), unsupported: [] };
  return isStarted(view, renderer) ? { drafts: [], unsupported: [] } : enableLinks(KEY, unit, view, []);
}
/** Two programs would set up the same interfaces. */
function stop(renderer: Renderer, view: ImageView): Links {
  const { unit, service } = PROGRAMS[renderer];
  return view.init === "openrc"
    ? { drafts: openrcDisable(KEY, service, view), unsupported: [] }
    : disableLinks(KEY, unit, view, []);
}

function startSupplicant({ interface: name, wired }: Supplicant, renderer: Renderer, view: ImageView): Links {
  const hint = "Put wpa_supplicant (wpasupplicant) into the recipe.";
  const program = ["/sbin/wpa_supplicant", "/usr/sbin/wpa_supplicant", "/usr/bin/wpa_supplicant"].some((path) => view.has(path));
  if (!program) return refusal(`${name} needs wpa_supplicant, which the image has not`, hint);
  if (renderer === "ifupdown") {
    // Debian's package brings what understands wpa-conf; with 802.1X on a wire it needs the driver, too.
    const understands = !wired && view.has("/etc/wpa_supplicant/ifupdown.sh");
    return understands
      ? { drafts: [], unsupported: [] }
      : refusal(`${name} cannot be started by ifupdown together with wpa_supplicant on this image`, OTHERS.ifupdown);
  }
  // Source: systemd.unit(5), "String Escaping for Inclusion in Unit Names"
  const instance = name.replaceAll(/[^A-Za-z0-9:_.]/g, (letter) => `\\x${letter.codePointAt(0)!.toString(16).padStart(2, "0")}`);
  const template = wired ? "wpa_supplicant-wired" : "wpa_supplicant";
  const enabled = enableLinks(KEY, `${template}@${instance}.service`, view, []);
  if (enabled.unsupported.length === 0) return enabled;
  return refusal(`${name} needs the unit ${template}@.service, which the image has not`, "Put NetworkManager into the recipe.");
}
const refusal = (problem: string, hint?: string): Links => ({
  drafts: [],
  unsupported: [{ key: KEY, problem, ...(hint !== undefined && { hint }) }],
});
