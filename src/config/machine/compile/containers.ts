/** @portable `containers`: services whose program comes from an OCI image, by what the image of the machine has for that. */
import type { ConfiguredContainer, ConfiguredUnit, NodeConfig } from "../node-config.ts";
import { enableLinks, UNIT_FOLDER } from "./enable-unit.ts";
import type { ImageView } from "./image-view.ts";
import { isOneLine, link, MARK, textFile, type Draft, type Part, type Unsupported } from "./part.ts";
import { shellWord, systemdWord } from "./quoting.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;
/** A colon is what separates; a volume's options are letters and commas. */
const VOLUME = /^[^\p{Cc}:,\s]{1,500}:\/[^\p{Cc}:,\s]{0,500}(?::[A-Za-z0-9,=-]{1,100})?$/u;
const PORT = /^(?:(?:\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?:\d{1,5}(?:-\d{1,5})?:)?\d{1,5}(?:-\d{1,5})?(?:\/(?:tcp|udp|sctp))?$/;
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,500}$/;
const QUADLET = "/etc/containers/systemd";
/** Read by systemd before it starts anything: what the initrd lays down is there. */
const QUADLET_GENERATORS = [
  "/usr/lib/systemd/system-generators/podman-system-generator",
  "/lib/systemd/system-generators/podman-system-generator",
];
/** Programs that take the words of `docker run`. */
const RUNNERS = ["/usr/bin/podman", "/usr/bin/nerdctl", "/usr/local/bin/nerdctl", "/usr/bin/docker"];
/** Where podman keeps images and containers, and what is mounted there: its layers are overlays, which the kernel does not stack on the overlay that /var is. */
const PODMAN = {
  ...{ store: "/var/lib/containers", kept: "/usr/local/lib/containers", unit: "var-lib-containers.mount" },
  // Of a sealed image /usr/local/lib is empty, and nothing below /usr/local is executed unless its mount says so.
  sealed: { kept: "/usr/local/containers", options: ",nodev,suid,exec" },
} as const;
/** Where the others keep images that they have pulled. */
const STORES: Readonly<Record<string, string>> = {
  nerdctl: "/var/lib/containerd",
  ctr: "/var/lib/containerd",
  docker: "/var/lib/docker",
};
const SECTIONS = ["Unit", "Container", "Service", "Install"];

type Means = { readonly is: "quadlet" } | { readonly is: "runner" | "ctr"; readonly program: string };

export function compileContainers({ containers, mounts }: NodeConfig, view: ImageView, persistent: readonly string[]): Part {
  if (containers.length === 0) return {};
  const means = meansOf(view);
  if (!means) {
    const hint = "Put podman (with systemd, from 4.4 on), nerdctl with containerd, or docker into the recipe.";
    return {
      unsupported: containers.map(({ name }) => ({
        key: `containers[${name}]`,
        problem: "the image has nothing that runs containers",
        hint,
      })),
    };
  }
  const drafts: Draft[] = [];
  const unsupported: Unsupported[] = [];
  for (const container of containers) {
    const key = `containers[${container.name}]`;
    const problems = whyNot(key, container, means, view);
    unsupported.push(...problems);
    if (problems.length === 0) drafts.push(...draftsOf(key, container, means, view));
  }
  const isPodman = means.is === "quadlet" || means.program.endsWith("/podman");
  if (isPodman && drafts.length > 0 && !mounts.some(({ where }) => where === PODMAN.store)) drafts.push(...podmanStore(view));
  const store = isPodman ? undefined : STORES[means.program.split("/").at(-1)!];
  const isKept = store === undefined || persistent.includes(store);
  const notes =
    drafts.length === 0 || isKept ? [] : [`containers: their images are pulled anew at each boot: ${store} is not persistent`];
  return { drafts, unsupported, notes };
}

function meansOf(view: ImageView): Means | undefined {
  if (view.init === "systemd" && view.has("/usr/bin/podman") && QUADLET_GENERATORS.some((path) => view.has(path)))
    return { is: "quadlet" };
  const program = RUNNERS.find((path) => view.has(path));
  if (program !== undefined) return { is: "runner", program };
  return view.has("/usr/bin/ctr") ? { is: "ctr", program: "/usr/bin/ctr" } : undefined;
}

function podmanStore({ init, profile }: ImageView): readonly Draft[] {
  const key = "containers";
  const { kept, options } = profile === "sealed" ? PODMAN.sealed : { kept: PODMAN.kept, options: "" };
  const folder: Draft = { key, path: kept, what: { is: "folder", mode: 0o700 } };
  const path = `${UNIT_FOLDER}/${PODMAN.unit}`;
  const unit = [
    `${MARK}[Unit]`,
    "DefaultDependencies=no",
    // Makes the folder.
    "After=petrify-config-data.service",
    "Conflicts=umount.target",
    "Before=umount.target",
    "\n[Mount]",
    `What=${kept}`,
    `Where=${PODMAN.store}`,
    "Type=none",
    `Options=bind${options}`,
    // podman leaves a mount of its own in it.
    "LazyUnmount=yes",
    "\n[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
  const wanted = link(key, `${UNIT_FOLDER}/multi-user.target.wants/${PODMAN.unit}`, path);
  return init === "systemd" ? [folder, textFile(key, path, unit), wanted] : [folder];
}

function whyNot(key: string, container: ConfiguredContainer, means: Means, view: ImageView): Unsupported[] {
  const { name, image, command, environment, ports, volumes, network, user, quadlet, restart } = container;
  const found: Unsupported[] = [];
  const say = (field: string, problem: string, hint?: string): void =>
    void found.push({ key: field === "" ? key : `${key}.${field}`, problem, ...(hint !== undefined && { hint }) });
  if (!NAME.test(name)) say("", "must be letters, digits, dots, dashes and _");
  if (name.startsWith("petrify")) say("", "is petrify's own name");
  if (!IMAGE.test(image)) say("image", "is no reference of an OCI image");
  // A unit file has a way to write a line break; a script would have it as it is.
  const isWord = (text: string): boolean =>
    isOneLine(view.init === "systemd" ? text.replaceAll(/[\n\t]/g, " ") : text.replaceAll("\t", "\0"));
  if (!command.every(isWord)) say("command", "has characters that no word can have here");
  for (const [variable, value] of Object.entries(environment))
    if (!VARIABLE.test(variable) || !isWord(value))
      say(`environment.${variable}`, "is no variable, or has a value that cannot be one here");
  for (const port of ports)
    if (!PORT.test(port)) say("ports", `${JSON.stringify(port)} is no port, such as 8080:80 or 127.0.0.1:53:53/udp`);
  for (const volume of volumes)
    if (!VOLUME.test(volume)) say("volumes", `${JSON.stringify(volume)} is no volume, such as /srv/data:/data:ro`);
  if (network !== undefined && !/^[A-Za-z0-9_.:=,-]{1,200}$/.test(network)) say("network", "is no name of a network");
  if (user !== undefined && !/^[A-Za-z0-9_.:-]{1,100}$/.test(user)) say("user", "is no user");
  if (means.is !== "quadlet" && Object.keys(quadlet).length > 0)
    say("quadlet", "the image has no podman with Quadlet", "Put podman into the recipe.");
  for (const [section, lines] of Object.entries(quadlet)) {
    if (!SECTIONS.includes(section)) say(`quadlet.${section}`, `must be one of ${SECTIONS.join(", ")}`);
    if (!lines.every((line) => isOneLine(line) && /^[A-Za-z][A-Za-z0-9-]*\s*=/.test(line) && !line.endsWith("\\")))
      say(`quadlet.${section}`, "must be lines of KEY=VALUE");
  }
  if (means.is === "ctr" && (ports.length > 0 || user !== undefined || !["host", undefined].includes(network)))
    say("", "ctr knows no ports, networks and users by name: use network: host", "Put nerdctl into the recipe.");
  if (view.init === "openrc" && restart === "on-failure")
    say("restart", "OpenRC starts a service again whenever it ends, or never: use always or no");
  return found;
}

function draftsOf(key: string, container: ConfiguredContainer, means: Means, view: ImageView): Draft[] {
  const { name } = container;
  // Its environment may be secret.
  if (means.is === "quadlet") return [textFile(key, `${QUADLET}/${name}.container`, quadletFile(container), 0o600)];
  const words = means.is === "ctr" ? ctrWords(container, means.program) : runnerWords(container, means.program);
  if (view.init === "openrc") {
    const path = `/etc/init.d/${name}`;
    return [textFile(key, path, openrcScript(container, words), 0o700), link(key, `/etc/runlevels/default/${name}`, path)];
  }
  const unit: ConfiguredUnit = { name: `${name}.service`, content: serviceFile(container, means, words), dropIns: [] };
  return [
    textFile(key, `${UNIT_FOLDER}/${unit.name}`, unit.content!, 0o600),
    ...enableLinks(key, unit.name, view, [unit]).drafts,
  ];
}

/** What is in it comes to a command line of systemd, which has its own use for % and $. Source: podman-systemd.unit(5) */
function quadletFile(container: ConfiguredContainer): string {
  const { name, image, command, environment, ports, volumes, network, restart, readOnly, user, quadlet } = container;
  const more = (section: string): readonly string[] => quadlet[section] ?? [];
  return [
    `${MARK}[Unit]`,
    `Description=Container ${name}`,
    "Wants=network-online.target",
    "After=network-online.target",
    `RequiresMountsFor=${PODMAN.store}`,
    ...more("Unit"),
    "\n[Container]",
    `ContainerName=${name}`,
    `Image=${image}`,
    ...(command.length > 0 ? [`Exec=${command.map((word) => systemdWord(word, "command")).join(" ")}`] : []),
    ...Object.entries(environment).map(([variable, value]) => `Environment=${systemdWord(`${variable}=${value}`, "command")}`),
    ...ports.map((port) => `PublishPort=${port}`),
    ...volumes.map((volume) => `Volume=${volume.replaceAll("%", "%%").replaceAll("$", "$$$$")}`),
    ...(network === undefined ? [] : [`Network=${network}`]),
    ...(readOnly ? ["ReadOnly=true"] : []),
    ...(user === undefined ? [] : userLines(user)),
    ...more("Container"),
    "\n[Service]",
    `Restart=${restart}`,
    // The first start pulls the image.
    "TimeoutStartSec=900",
    ...more("Service"),
    "\n[Install]",
    ...(more("Install").length > 0 ? more("Install") : ["WantedBy=multi-user.target"]),
    "",
  ].join("\n");
}

function userLines(user: string): string[] {
  const [name, group] = user.split(":");
  return [`User=${name}`, ...(group === undefined ? [] : [`Group=${group}`])];
}

function runnerWords(container: ConfiguredContainer, program: string): string[] {
  const { name, image, command, environment, ports, volumes, network, readOnly, user } = container;
  return [
    ...[program, "run", "--rm", "--name", name],
    ...Object.entries(environment).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
    ...ports.flatMap((port) => ["--publish", port]),
    ...volumes.flatMap((volume) => ["--volume", volume]),
    ...(network === undefined ? [] : ["--network", network]),
    ...(readOnly ? ["--read-only"] : []),
    ...(user === undefined ? [] : ["--user", user]),
    ...[image, ...command],
  ];
}

function ctrWords(container: ConfiguredContainer, program: string): string[] {
  const { name, image, command, environment, volumes, network, readOnly } = container;
  const mounts = volumes.flatMap((volume) => {
    const [source, destination, options = "rw"] = volume.split(":");
    return ["--mount", `type=bind,src=${source},dst=${destination},options=rbind:${options.replaceAll(",", ":")}`];
  });
  return [
    ...[program, "run", "--rm"],
    ...Object.entries(environment).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
    ...mounts,
    ...(network === "host" ? ["--net-host"] : []),
    ...(readOnly ? ["--read-only"] : []),
    ...[image, name, ...command],
  ];
}

function serviceFile({ name, image, restart }: ConfiguredContainer, means: Means, words: readonly string[]): string {
  const program = means.is === "quadlet" ? "" : means.program;
  const needs = program.endsWith("docker") ? ["docker.service"] : program.endsWith("podman") ? [] : ["containerd.service"];
  const line = (argv: readonly string[]): string => argv.map((word) => systemdWord(word, "command")).join(" ");
  const remove = means.is === "ctr" ? [program, "container", "rm", name] : [program, "rm", "--force", name];
  return [
    `${MARK}[Unit]`,
    `Description=Container ${name}`,
    "Wants=network-online.target",
    `After=${["network-online.target", ...needs].join(" ")}`,
    ...needs.map((unit) => `Requires=${unit}`),
    ...(program.endsWith("podman") ? [`RequiresMountsFor=${PODMAN.store}`] : []),
    "\n[Service]",
    // One that was cut off may have left its name behind.
    `ExecStartPre=-${line(remove)}`,
    ...(means.is === "ctr" ? [`ExecStartPre=${line([program, "image", "pull", image])}`] : []),
    `ExecStart=${line(words)}`,
    ...(means.is === "ctr"
      ? [`ExecStop=-${line([program, "task", "kill", name])}`]
      : [`ExecStop=${line([program, "stop", name])}`]),
    `Restart=${restart}`,
    "RestartSec=5",
    "TimeoutStartSec=900",
    "\n[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

function openrcScript({ name, restart }: ConfiguredContainer, [program = "", ...words]: readonly string[]): string {
  const remove = [program, "rm", "--force", name].map(shellWord).join(" ");
  return [
    "#!/sbin/openrc-run",
    `${MARK}name=${shellWord(name)}`,
    `description="Container"`,
    ...(restart === "no"
      ? ["command_background=true", `pidfile="/run/${name}.pid"`]
      : ["supervisor=supervise-daemon", "respawn_delay=5"]),
    `command=${shellWord(program)}`,
    // It is split by a shell once more.
    `command_args=${shellWord(words.map(shellWord).join(" "))}`,
    "\ndepend() {",
    "\tneed net localmount",
    "\tuse containerd docker",
    "}",
    "\nstart_pre() {",
    ...(program.endsWith("podman")
      ? [
          `\tmountpoint -q ${PODMAN.store} ||`,
          `\t\t{ mkdir -p ${PODMAN.store} && mount --bind ${PODMAN.kept} ${PODMAN.store}; } || return 1`,
        ]
      : []),
    `\t${remove} >/dev/null 2>&1 || true`,
    "}",
    "",
  ].join("\n");
}
