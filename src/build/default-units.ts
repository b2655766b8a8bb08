import type { Recipe } from "../config/recipe.ts";
import type { RootFs } from "../host/rootfs.ts";
import type { Tree } from "./tree.ts";

/** src/build/rootfs/open */
export const LOGIN_PROGRAM = "/usr/lib/petrify/login";
/** Where packages put units and generators, the first over the second, which is another folder only where /usr is not merged. */
const FOLDERS = ["/usr/lib/systemd", "/lib/systemd"] as const;
const UNITS = "/usr/lib/systemd/system";
const OWN_UNITS = "/etc/systemd/system";
const OWN_GENERATORS = "/etc/systemd/system-generators";

/**
 * Units that have no work on an image-based system; each would only cost time at every boot.
 * A recipe that enables one of them gets it.
 */
const MASKED_UNITS: readonly string[] = [
  // The root is read-only and whole: nothing to remount, to migrate, to update after an upgrade.
  ...["systemd-remount-fs.service", "systemd-hwdb-update.service", "systemd-journal-catalog-update.service"],
  ...["systemd-update-done.service", "ldconfig.service", "systemd-sysusers.service", "systemd-firstboot.service"],
  // The initrd puts the machine id in place before PID 1.
  "systemd-machine-id-commit.service",
  // The boot loader is GRUB with a boot record of its own.
  ...["systemd-boot-update.service", "systemd-bless-boot.service", "systemd-boot-random-seed.service"],
  // No TPM measurement and no hibernation yet.
  ...["systemd-pcrmachine.service", "systemd-pcrphase.service", "systemd-pcrphase-sysinit.service", "systemd-pcrfs-root.service"],
  ...["systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service", "systemd-hibernate-clear.service"],
  // Packages cannot change on a running machine.
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"],
  // Disks without LVM: nothing for a snapshot check to do.
  ...["e2scrub_all.timer", "e2scrub_reap.service"],
  // udev's rules are the image's.
  "systemd-udev-load-credentials.service",
  // Loaded by the initrd, or by the drivers that need it.
  ...["modprobe@configfs.service", "modprobe@fuse.service", "modprobe@efi_pstore.service", "modprobe@drm.service"],
];

/** Units whose work another one has done by then; masked where that one is there. */
const DONE_BY: Readonly<Record<string, string>> = {
  // The second run is for users that systemd-sysusers adds in between; an image has its users.
  "systemd-tmpfiles-setup-dev.service": "systemd-tmpfiles-setup-dev-early.service",
};

/** Programs that look at each boot for something an image does not have. Source: systemd.generator(7) */
const MASKED_GENERATORS: readonly string[] = [
  // The kernel command line is part of the image; a unit is the way to have a unit.
  ...["systemd-run-generator", "systemd-debug-generator"],
  // The initrd has found the disk, and its fstab names every partition.
  "systemd-gpt-auto-generator",
  // No hibernation, no updates by packages, no TPM, no systemd-boot.
  ...[
    "systemd-hibernate-resume-generator",
    "systemd-system-update-generator",
    "systemd-tpm2-generator",
    "systemd-bless-boot-generator",
  ],
  // An SSH server listens where the recipe says, and nowhere by itself.
  "systemd-ssh-generator",
];

/** Masks what has no work here. A recipe that names a unit, or brings a file in its place, has the last word. */
export async function maskIdleUnits({ fs }: Tree, { units }: Recipe): Promise<void> {
  const named = new Set([...units.enable, ...units.disable]);
  const has = async (unit: string): Promise<boolean> => await anyOf(fs, `system/${unit.replace(/@.+(?=\.)/, "@")}`);
  const done: string[] = [];
  for (const [unit, other] of Object.entries(DONE_BY)) if (await has(other)) done.push(unit);
  for (const unit of [...MASKED_UNITS, ...done]) {
    if (!named.has(unit) && (await has(unit))) await mask(fs, `${OWN_UNITS}/${unit}`);
  }
  const generators = [...MASKED_GENERATORS];
  if (!(await fs.exists("/etc/rc.local"))) generators.push("systemd-rc-local-generator");
  const scripts = await fs.list("/etc/init.d");
  const replaced = await Promise.all(scripts.map(async (name) => await has(`${name}.service`)));
  if (replaced.every(Boolean)) generators.push("systemd-sysv-generator");
  for (const name of generators) {
    if (await anyOf(fs, `system-generators/${name}`)) await mask(fs, `${OWN_GENERATORS}/${name}`);
  }
}

/** Folders with packages' units: a second one where /usr is not merged. */
export async function unitFolders(fs: RootFs): Promise<string[]> {
  const found = new Map<string, string>();
  for (const folder of FOLDERS) {
    const real = await fs.resolve(`${folder}/system`);
    if (!found.has(real)) found.set(real, `${folder}/system`);
  }
  return [...found.values()];
}

async function anyOf(fs: RootFs, name: string): Promise<boolean> {
  for (const folder of FOLDERS) if (await fs.exists(`${folder}/${name}`)) return true;
  return false;
}

async function mask(fs: RootFs, path: string): Promise<void> {
  if (!(await fs.exists(path))) await fs.link(path, "/dev/null");
}

/** Takes out Debian's list of modules to load if it names none: an empty one starts a service as well. */
export async function dropEmptyModuleList({ fs }: Tree): Promise<void> {
  const list = await fs.read("/etc/modules");
  if (list !== undefined && list.split("\n").every((line) => /^\s*(#|$)/.test(line)))
    await fs.remove("/etc/modules-load.d/modules.conf");
}

/**
 * Lets the login prompts of the kernel's own serial consoles start without udev: their devices are there before any program.
 *
 * systemd's template waits for udev to announce a terminal, which may be unplugged. A unit of the instance's name goes before the template;
 * below /usr, so that a recipe can mask it, or bring its own.
 */
export async function startConsolesAtOnce({ fs }: Tree, consoles: readonly string[]): Promise<void> {
  const name = "system/serial-getty@.service";
  const template = (await fs.read(`${FOLDERS[0]}/${name}`)) ?? (await fs.read(`${FOLDERS[1]}/${name}`));
  if (template === undefined) return;
  const text = template.replace(/^BindsTo=dev-%i\.device\n/m, "").replace(/^After=dev-%i\.device */m, "After=");
  for (const console of consoles) {
    const unit = `serial-getty@${console}.service`;
    if (!(await anyOf(fs, `system/${unit}`))) await fs.write(`${UNITS}/${unit}`, text);
  }
}

const LOGINS = ["getty@", "serial-getty@"] as const;
/** Agetty's options by which it starts another program, or somebody's session at once. Source: agetty(8) */
const OWN_LOGIN = /\s(?:--login-program|-l|--skip-login|-n|--autologin|-a)\b/;

/** Has the login prompts of consoles start petrify's program, which becomes login(1) but for one name. docs/concepts/pki.md */
export async function offerEnrolment({ fs }: Tree): Promise<void> {
  for (const login of LOGINS) {
    const name = `system/${login}.service`;
    const template = (await fs.read(`${FOLDERS[0]}/${name}`)) ?? (await fs.read(`${FOLDERS[1]}/${name}`));
    const [, program, options] = /^ExecStart=(\S*getty)(\s.*)$/m.exec(template ?? "") ?? [];
    if (program === undefined || OWN_LOGIN.test(options!)) continue;
    const text = `[Service]\nExecStart=\nExecStart=${program} --login-program ${LOGIN_PROGRAM}${options}\n`;
    await fs.write(`${UNITS}/${login}.service.d/50-petrify-enrol.conf`, text);
  }
}
