/** @portable `mounts`: further file systems, as units of systemd or a service of OpenRC: the fstab is petrify's. */
import { isNormalPath } from "../../../layout/persistent-folder.ts";
import type { ConfiguredMount, NodeConfig } from "../node-config.ts";
import { UNIT_FOLDER } from "./enable-unit.ts";
import type { ImageView } from "./image-view.ts";
import { link, MARK, textFile, type Draft, type Part, type Unsupported } from "./part.ts";
import { shellWord } from "./quoting.ts";
import { locate } from "./settle-entries.ts";

const WHAT =
  /^(?:\/[^\s\p{Cc}]{1,500}|(?:LABEL|UUID|PARTLABEL|PARTUUID)=[^\s\p{Cc}"]{1,200}|[A-Za-z0-9.[\]:_-]{1,255}:\/[^\s\p{Cc}]{0,500}|\/\/[^\s\p{Cc}]{1,500}|[a-z0-9]{1,20})$/u;
const TYPE = /^[a-z0-9][a-z0-9._,-]{0,60}$/;
const OPTIONS = /^[^\s\p{Cc}]{1,1000}$/u;
/** Of file systems that come over a network. Source: systemd.mount(5), fstab(5) */
const REMOTE = /^(?:nfs4?|cifs|smb3|ceph|glusterfs|9p|sshfs|fuse\.sshfs)$/;
/** For fstab's readers, not for mount(8). */
const FSTAB_ONLY = /^(?:auto|noauto|nofail|defaults|_netdev|comment=.*|x-systemd\..*)$/;
/** Empty folders that every distribution has for this. */
const USUAL = ["/mnt", "/media"];
const SERVICE = "config-mounts";

export function compileMounts({ mounts }: NodeConfig, view: ImageView, persistent: readonly string[]): Part {
  const unsupported: Unsupported[] = [];
  const drafts: Draft[] = [];
  const wanted: ConfiguredMount[] = [];
  for (const mount of mounts) {
    const key = `mounts[${mount.where}]`;
    const problem = whyNot(mount, view, persistent, wanted);
    if (problem !== undefined) {
      unsupported.push({ key, problem });
      continue;
    }
    wanted.push(mount);
    const isMade = view.find(mount.where, "keep")?.node === undefined;
    if (isMade) drafts.push({ key, path: mount.where, what: { is: "folder", mode: 0o755 } });
    if (view.init === "systemd") drafts.push(...systemdMount(key, mount));
  }
  if (view.init === "openrc" && wanted.length > 0) {
    const path = `/etc/init.d/${SERVICE}`;
    drafts.push(textFile("mounts", path, openrcScript(wanted), 0o755), link("mounts", `/etc/runlevels/default/${SERVICE}`, path));
  }
  return { drafts, unsupported };
}

function whyNot(
  { what, where, type, options }: ConfiguredMount,
  view: ImageView,
  persistent: readonly string[],
  others: readonly ConfiguredMount[],
): string | undefined {
  if (type === "swap" || where === "none") return "is swap, which is not set up here";
  if (!WHAT.test(what)) return "must be a device, a label, or what a server exports";
  if (!TYPE.test(type)) return "has a type that no file system has";
  if (!OPTIONS.test(options)) return "must have options without spaces";
  if (!isNormalPath(where)) return "must be an absolute path";
  if (others.some((other) => other.where === where)) return "is there twice";
  const isUsual = USUAL.some((folder) => where === folder || where.startsWith(`${folder}/`));
  const found = view.find(where, "keep");
  if (isUsual && found?.path === where && found.node === "folder") return undefined;
  const at = locate(where, view, persistent);
  if (at.is === "refused") return at.why;
  if (at.path !== where) return `is ${at.path} on this image: mount it there`;
  if (at.is === "run") return "is emptied at each boot";
  return found?.node === undefined || found.node === "folder" ? undefined : "is no folder on this image";
}

const optionsOf = (options: string): string[] => options.split(",").filter((option) => option !== "" && !FSTAB_ONLY.test(option));
const isRemote = ({ type, options }: ConfiguredMount): boolean => REMOTE.test(type) || options.split(",").includes("_netdev");

/** One that does not mount does not fail the boot. */
function systemdMount(key: string, mount: ConfiguredMount): Draft[] {
  const { what, where, type, options } = mount;
  const name = `${mountName(where)}.mount`;
  const path = `${UNIT_FOLDER}/${name}`;
  const target = isRemote(mount) ? "remote-fs.target" : "local-fs.target";
  const words = optionsOf(options);
  const noauto = options.split(",").includes("noauto");
  const text = [
    `${MARK}[Unit]`,
    `Before=${target}`,
    ...(isRemote(mount) ? ["Wants=network-online.target", "After=network-online.target"] : []),
    "\n[Mount]",
    `What=${specifierless(what)}`,
    `Where=${specifierless(where)}`,
    ...(type === "auto" ? [] : [`Type=${type}`]),
    ...(words.length > 0 ? [`Options=${specifierless(words.join(","))}`] : []),
    "\n[Install]",
    `WantedBy=${target}`,
    "",
  ].join("\n");
  return [textFile(key, path, text, 0o600), ...(noauto ? [] : [link(key, `${UNIT_FOLDER}/${target}.wants/${name}`, path)])];
}

const specifierless = (text: string): string => text.replaceAll("%", "%%");

/** As systemd-escape(1) with `--path`. Source: systemd.unit(5), "String Escaping for Inclusion in Unit Names" */
function mountName(path: string): string {
  const bytes = new TextEncoder().encode(path.slice(1));
  return Array.from(bytes, (byte, index) => {
    const character = String.fromCharCode(byte);
    if (character === "/") return "-";
    const isPlain = /[A-Za-z0-9:_.]/.test(character) && !(character === "." && index === 0);
    return isPlain ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}

function openrcScript(mounts: readonly ConfiguredMount[]): string {
  const remote = mounts.some(isRemote);
  const started = mounts.filter(({ options }) => !options.split(",").includes("noauto"));
  const lines = started.map(({ what, where, type, options }) => {
    const words = optionsOf(options);
    const argv = ["mount", "-t", type, ...(words.length > 0 ? ["-o", words.join(",")] : []), what, where];
    return `\tmountpoint -q ${shellWord(where)} || ${argv.map(shellWord).join(" ")} || failed=1`;
  });
  const back = mounts.map(({ where }) => `\t! mountpoint -q ${shellWord(where)} || umount ${shellWord(where)} || failed=1`);
  return [
    "#!/sbin/openrc-run",
    `${MARK}description="File systems of the machine config"`,
    "\ndepend() {",
    remote ? "\tneed localmount net" : "\tneed localmount",
    "}",
    "\nstart() {",
    '\tebegin "Mounting file systems of the machine config"',
    "\tfailed=0",
    ...lines,
    "\teend $failed",
    "}",
    "\nstop() {",
    '\tebegin "Unmounting file systems of the machine config"',
    "\tfailed=0",
    ...back.toReversed(),
    "\teend $failed",
    "}",
    "",
  ].join("\n");
}
