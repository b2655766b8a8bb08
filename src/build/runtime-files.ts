import { dirname, join, relative } from "node:path";
import { readBytes, walk } from "../host/files.ts";
import { serialConsoles } from "../layout/cmdline.ts";
import { DATA_PARTITIONS, EARLY_PROGRAM } from "../layout/fstab.ts";
import { AGENT_PROGRAM, helperProgram, HELPERS, PROGRAM_FILE, RUNTIME_FOLDER } from "../layout/own-programs.ts";
import { agentExecutable } from "./agent-executable.ts";
import { agentPrograms } from "./agent-programs.ts";
import { agentRuntime } from "./agent-runtime.ts";
import type { BuildContext } from "./context.ts";
import { earlyProgram } from "./early-program.ts";
import type { ImageInit, OpenrcInit } from "./image-init.ts";
import { inittab } from "./inittab.ts";

/** Something that every image holds besides its packages. */
export type RuntimeFile = { readonly path: string } & (
  | { readonly mode: number; readonly data: Uint8Array }
  | { readonly target: string }
);

/** Of the runtime: by itself it is an interpreter, which an image does not have. */
const NODE = "bin/node";
/** Laid out as in the image: what all have, and what those of one init have. */
const SOURCES = join(import.meta.dirname, "rootfs");
/** What every boot starts, and what wants it. */
const WANTED = {
  "petrifyd.service": "multi-user.target",
  "oem.mount": "local-fs.target",
  "petrify-grow.service": "multi-user.target",
  "petrify-config-data.service": "sysinit.target",
  "petrify-api.path": "paths.target",
  "petrify-api.socket": "sockets.target",
  "petrify-config.service": "sysinit.target",
  "petrify-stage@fs.service": "sysinit.target",
  "petrify-stage@boot.service": "basic.target",
  "petrify-stage@network.service": "petrifyd.service",
  "petrify-unjudged.timer": "timers.target",
} as const;
/** The same, of a sealed image. */
const WANTED_SEALED = { "petrify-sealed.service": "multi-user.target" } as const;
const ownerConsoles = (consoles: readonly string[]): Record<string, string> =>
  Object.fromEntries(["tty1", ...consoles].map((console) => [`petrify-console@${console}.service`, "multi-user.target"]));
/** Stages of a boot; OpenRC's are services of these names. */
const BOOT_RUNS = ["fs", "boot", "network"] as const;
/** What every boot of OpenRC starts, and in which runlevel. */
const IN_RUNLEVEL = {
  ...Object.fromEntries(DATA_PARTITIONS.map((name) => [`petrify-mount.${name}`, "sysinit"])),
  "petrify-watchdog": "sysinit",
  "petrify-overlays": "sysinit",
  "petrify-data": "sysinit",
  "petrify-config-data": "sysinit",
  "petrify-config": "sysinit",
  petrifyd: "sysinit",
  "petrify-api": "default",
  "petrify-stage.fs": "sysinit",
  "petrify-stage.boot": "boot",
  "petrify-stage.network": "default",
  "petrify-tmpfiles": "sysinit",
  "petrify-grow": "default",
  "petrify-ssh-keys": "default",
} as const;

/** What decides which files an image gets. */
interface RuntimeChoice {
  readonly init: ImageInit;
  readonly kernel: { readonly cmdline: readonly string[] };
  readonly profile: "open" | "sealed";
}

/**
 * The agent with its runtime, the program that makes folders persistent, and what starts them.
 *
 * @param work an existing folder for intermediate files
 */
export async function runtimeFiles(
  context: Pick<BuildContext, "tools" | "cacheFolder" | "signal">,
  { init, kernel, profile }: RuntimeChoice,
  work: string,
): Promise<RuntimeFile[]> {
  const runtime = await agentRuntime(context, work);
  const programs = await agentExecutable(context, { runtime, modules: await agentPrograms() }, work);
  return [
    { path: EARLY_PROGRAM, mode: 0o755, data: await readBytes(await earlyProgram(context.tools, work, context.signal)) },
    ...(await filesBelow(runtime, RUNTIME_FOLDER, [NODE])),
    { path: PROGRAM_FILE, mode: 0o755, data: await readBytes(programs) },
    ...["/usr/bin/petrify", AGENT_PROGRAM, ...HELPERS.map((name) => helperProgram(name))].map((path) => ({
      path,
      target: relative(dirname(path), PROGRAM_FILE),
    })),
    ...(await filesBelow(join(SOURCES, "common"), "")),
    ...(await filesBelow(join(SOURCES, init.kind), "")).map((file) => (init.kind === "openrc" ? openrcScript(file, init) : file)),
    ...(init.kind === "systemd"
      ? systemdFiles(serialConsoles(kernel.cmdline))
      : openrcFiles(serialConsoles(kernel.cmdline), init)),
    ...(await filesBelow(join(SOURCES, profile), "")),
    ...(profile === "sealed" ? wantedLinks({ ...WANTED_SEALED, ...ownerConsoles(serialConsoles(kernel.cmdline)) }) : []),
  ];
}

const UNITS = "/usr/lib/systemd/system";
/** @param wanted units, each with what wants it */
const wantedLinks = (wanted: Readonly<Record<string, string>>): RuntimeFile[] =>
  Object.entries(wanted).map(([unit, target]) => ({
    path: `${UNITS}/${target}.wants/${unit}`,
    target: `../${unit.replace(/@.*\./, "@.")}`,
  }));

const systemdFiles = (consoles: readonly string[]): RuntimeFile[] => [
  ...wantedLinks(WANTED),
  // What others than Debian call it.
  { path: `${UNITS}/sshd.service.d/50-petrify.conf`, target: "../ssh.service.d/50-petrify.conf" },
  ...["getty@tty1", ...consoles.map((console) => `serial-getty@${console}`)].flatMap((login) => installerFor(login)),
];

/** The installer has a console in place of its login prompt. @param login unit of the prompt, without `.service` */
function installerFor(login: string): RuntimeFile[] {
  const console = login.slice(login.indexOf("@") + 1);
  return [
    { path: `${UNITS}/multi-user.target.wants/petrify-installer@${console}.service`, target: "../petrify-installer@.service" },
    {
      path: `${UNITS}/${login}.service.d/50-petrify.conf`,
      mode: 0o644,
      data: new TextEncoder().encode("[Unit]\nConditionKernelCommandLine=!petrify.installer\n"),
    },
  ];
}

/** The interpreter of services is where the distribution has it. */
function openrcScript(file: RuntimeFile, { openrcRun }: OpenrcInit): RuntimeFile {
  if (!file.path.startsWith("/etc/init.d/") || !("data" in file)) return file;
  const text = new TextDecoder().decode(file.data).replace(/^#!.*/, `#!${openrcRun}`);
  return { ...file, data: new TextEncoder().encode(text) };
}

const openrcFiles = (consoles: readonly string[], init: OpenrcInit): RuntimeFile[] => [
  { path: "/etc/inittab", mode: 0o644, data: new TextEncoder().encode(inittab(consoles, init)) },
  // systemd makes it at boot.
  { path: "/etc/mtab", target: "../proc/self/mounts" },
  // They would set the clock to the hardware's, which may be before the last time that the machine has stored.
  { path: "/etc/udev/rules.d/85-hwclock.rules", target: "/dev/null" },
  ...DATA_PARTITIONS.map((name) => ({ path: `/etc/init.d/petrify-mount.${name}`, target: "petrify-mount" })),
  ...BOOT_RUNS.map((name) => ({ path: `/etc/init.d/petrify-stage.${name}`, target: "petrify-stage" })),
  ...Object.entries(IN_RUNLEVEL).map(([name, runlevel]) => ({
    // Debian's scripts start nothing of `boot`.
    path: `/etc/runlevels/${runlevel === "boot" && init.rcScripts ? "sysinit" : runlevel}/${name}`,
    target: `/etc/init.d/${name}`,
  })),
];

/** @param at where they go in the image @param without paths that are left out */
async function filesBelow(folder: string, at: string, without: readonly string[] = []): Promise<RuntimeFile[]> {
  const files: RuntimeFile[] = [];
  for (const entry of await walk(folder)) {
    if (entry.kind !== "file" || without.includes(entry.path)) continue;
    const { path, mode } = entry;
    files.push({ path: `${at}/${path}`, mode: mode & 0o111 ? 0o755 : 0o644, data: await readBytes(join(folder, path)) });
  }
  return files;
}
