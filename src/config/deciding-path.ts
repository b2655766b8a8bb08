/** @portable Folders whose files decide what is started, or who may do what. In a sealed image they are the image's alone. docs/concepts/sealed.md */
import { isIn } from "./persistent-path.ts";

const RECIPE = "Put it into the recipe: files.";
/** Folders, and the key of a machine config that says the same; the image's own cannot be written to at all. */
const DECIDING: readonly (readonly [folder: RegExp, instead: string])[] = [
  [/^\/etc\/systemd\/(?:system|user)(?:\/|$)|^\/(?:etc|run)\/systemd\/system(?:-\w+)*(?:\/|$)/, "Use units."],
  [/^\/etc\/containers\/systemd(?:\/|$)/, "Use containers."],
  [/^\/etc\/(?:sysctl\.d(?:\/|$)|sysctl\.conf$)/, "Use sysctl."],
  [/^\/etc\/mod(?:ules-load|probe)\.d(?:\/|$)|^\/etc\/modules$/, "Use modules."],
  [
    /^\/etc\/(?:environment$|environment\.d(?:\/|$)|systemd\/[^/]+\.conf(?:\.d(?:\/|$)|$))/,
    "Use environment, or put it into the recipe: files.",
  ],
  [
    /^\/etc\/(?:udev|tmpfiles\.d|binfmt\.d|sysusers\.d|dbus-1|polkit-1|pam\.d|security|sudoers|sudoers\.d|ssh|profile|profile\.d|init\.d|rc[\w.]*|cron[\w.]*|crontab|ld\.so[\w.]*|NetworkManager\/dispatcher\.d|networkd-dispatcher|network|ppp|alternatives|passwd|group|shadow|gshadow|subuid|subgid)(?:\/|-?$)/,
    RECIPE,
  ],
  // Tables of cron; users whose own services start with the machine; what systemd lays over /usr and /etc, or starts as a system of its own.
  [/^\/var\/spool\/cron(?:\/|$)|^\/var\/lib\/systemd\/linger(?:\/|$)/, RECIPE],
  [/^\/(?:etc|var\/lib)\/(?:extensions|confexts|portables|machines)(?:\/|$)/, RECIPE],
  [/^\/(?:usr|bin|sbin|lib\w*|boot|efi|oem|run)(?:\/|$)/, RECIPE],
];
/** Folders around them that are not among them. */
const AROUND = [
  "/etc",
  "/etc/systemd",
  "/etc/containers",
  "/etc/NetworkManager",
  "/var",
  "/var/lib",
  "/var/lib/systemd",
  "/var/spool",
];

/** What to do in place of a file at a path that decides what is started; nothing where it decides nothing. */
export const insteadOfDeciding = (path: string): string | undefined => DECIDING.find(([folder]) => folder.test(path))?.[1];

/** Whether what is kept in a folder, or mounted there, would decide what is started. */
export const holdsDeciding = (folder: string): boolean =>
  insteadOfDeciding(folder) !== undefined || AROUND.some((around) => isIn(around, folder));
