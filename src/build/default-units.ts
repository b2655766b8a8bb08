/**
 * Units that have no work on an image-based system; each would only cost time at every boot.
 * A recipe that enables one of them gets it.
 */
export const MASKED_UNITS: readonly string[] = [
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
];
