/** @portable Which folders of the running system may keep what is written to them (docs/concepts/persistence.md). */

/** Persistent in every image. */
export const ALWAYS_PERSISTENT = ["/home", "/root", "/opt", "/srv", "/var/log"] as const;

const FROM_CONFIG = "is made at each boot from the image and the machine config";
const UNITS = "holds units: a kept unit would go on running after the image that needs it is gone";
const KERNEL = "is made by the kernel at each boot";
const IMAGE = "is part of the image, which is only replaced as a whole";
const PARTITION = "is a partition of its own and persistent already";

/** Never persistent, nor anything that lies in them or that they lie in. */
const NEVER: Readonly<Record<string, string>> = {
  "/usr/local": PARTITION,
  "/oem": PARTITION,
  "/usr": IMAGE,
  "/bin": IMAGE,
  "/sbin": IMAGE,
  "/lib": IMAGE,
  "/lib64": IMAGE,
  "/boot": IMAGE,
  "/efi": IMAGE,
  "/etc/passwd": FROM_CONFIG,
  "/etc/group": FROM_CONFIG,
  "/etc/shadow": FROM_CONFIG,
  "/etc/gshadow": FROM_CONFIG,
  "/etc/fstab": FROM_CONFIG,
  "/etc/machine-id": FROM_CONFIG,
  "/etc/systemd/system": UNITS,
  "/etc/systemd/user": UNITS,
  "/etc/init.d": UNITS,
  "/etc/runlevels": UNITS,
  ...Object.fromEntries(["dpkg", "rpm", "pacman"].map((name) => [`/var/lib/${name}`, "says which packages the image holds"])),
  "/var/run": "is a link to /run",
  "/var/lock": "is a link to /run/lock",
  "/dev": KERNEL,
  "/proc": KERNEL,
  "/sys": KERNEL,
  "/run": "holds only what this boot needs",
  "/tmp": "is emptied at each boot",
};

/** Whether `path` is `folder` or lies in it. */
export const isIn = (path: string, folder: string): boolean => path === folder || folder === "/" || path.startsWith(`${folder}/`);

/**
 * Why an absolute, normal path cannot be declared persistent, as the end of a sentence that starts with the path.
 *
 * @returns `undefined` when it can
 */
export function whyNotPersistent(path: string): string | undefined {
  const always = ALWAYS_PERSISTENT.find((folder) => isIn(path, folder));
  if (always) return always === path ? "is persistent in every image" : `lies in ${always}, which is persistent in every image`;
  for (const [never, reason] of Object.entries(NEVER)) if (path === never) return reason;
  for (const [never, reason] of Object.entries(NEVER)) if (isIn(path, never)) return `lies in ${never}, which ${reason}`;
  for (const [never, reason] of Object.entries(NEVER)) if (isIn(never, path)) return `contains ${never}, which ${reason}`;
  const inside = ALWAYS_PERSISTENT.find((folder) => isIn(folder, path));
  return inside && `contains ${inside}, which is persistent in every image`;
}

/** Places that only exist at run time: what an image holds there would be hidden. */
const MOUNTED_OVER = ["/usr/local", "/oem", "/run", "/tmp", "/proc", "/sys", "/dev"];

/** The folder that a running system mounts over this path, if any. */
export const mountedOver = (path: string): string | undefined => MOUNTED_OVER.find((folder) => isIn(path, folder));
