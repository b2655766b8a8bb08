/** What stock packages bring that is a way in, or needs what a sealed image lacks, and that a system does without. */

/** Units, or generators, that never start. */
interface Unneeded {
  readonly names: RegExp;
  readonly reason: string;
}

export const UNNEEDED_UNITS: readonly Unneeded[] = [
  { names: /^(?:(?:serial-|console-|container-)?getty@?|autovt@)/, reason: "nobody logs in at a console" },
  { names: /^systemd-(?:user-sessions|logind-varlink)\.(?:service|socket)$|^getty(?:-pre)?\.target$/, reason: "nobody logs in" },
  { names: /^debug-shell\.service$/, reason: "a shell on a console" },
  { names: /^ctrl-alt-del\.target$/, reason: "whoever is at the console restarts nothing" },
  {
    names: /^(?:kexec\.target|systemd-kexec\.service|soft-reboot\.target|systemd-soft-reboot\.service)$/,
    reason: "another system would be started in place of the image",
  },
  { names: /^(?:rc-local|pam_namespace|quotaon.*)\.service$/, reason: "it runs a script, or prepares logins" },
  {
    names: /^(?:system-update-cleanup|packagekit.*|apt-.*|dpkg-db-backup|unattended-upgrades|dnf-.*)\.(?:service|timer|path)$/,
    reason: "packages do not change on an image",
  },
  { names: /^e2scrub(?:_|@)/, reason: "it is a script, for disks with LVM" },
  { names: /^ldconfig\.service$/, reason: "an image has its cache of libraries" },
  {
    names: /^systemd-(?:storagetm|nspawn@|vmspawn@|journal-gatewayd|journal-remote|ask-password-(?:console|plymouth|wall))/,
    reason: "it serves the machine's disks, starts other systems, listens, or asks whoever is at the console",
  },
  {
    names: /^ssh\.service$|^sshd?@?(?:-unix-local|-vsock)?\.(?:socket|service)$|^sshd-(?:keygen|unix-local|vsock).*/,
    reason: "there is no SSH server",
  },
];

export const UNNEEDED_GENERATORS: readonly Unneeded[] = [
  { names: /^systemd-(?:getty|debug|run|ssh|rc-local|sysv)-generator$/, reason: "it starts logins, a shell, or scripts" },
];

/** Rules of udev that are off: files of `/usr/lib/udev/rules.d`. */
export const UNNEEDED_RULES: readonly Unneeded[] = [
  // Names for network devices of service processors (iDRAC, IMM) on USB, and of POWER machines, by a shell.
  { names: /^73-special-net-names\.rules$/, reason: "it runs a shell for network devices of POWER machines" },
];
