/** What every image promises about its folders, whatever its init. docs/concepts/persistence.md */

export const PERSISTENT = ["/usr/local", "/oem", "/home", "/root", "/opt", "/srv", "/var/log", "/var/lib/test"] as const;
export const EPHEMERAL = ["/etc", "/var/lib", "/tmp"] as const;
export const REFUSED: readonly (readonly [what: string, script: string])[] = [
  ["a new file in /", "touch /mark"],
  ["a new file in /usr", "touch /usr/mark"],
  ["a new file in /usr/lib/systemd", "touch /usr/lib/systemd/mark"],
  ["a change of a program", "echo x >>/usr/bin/sh"],
  ["the removal of a program", "rm /usr/bin/sh"],
  ["mounting / read-write", "mount -o remount,rw /"],
  ["writing to the device below /", "dd if=/dev/zero of=/dev/dm-0 bs=4096 count=1 conv=fsync"],
  ["writing to the slot's file", "dd if=/dev/zero of=/run/petrify/images/a.img bs=4096 count=1 conv=notrunc"],
];
