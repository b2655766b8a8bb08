/**
 * What sysvinit starts: OpenRC's runlevels, and a login prompt on the first screen and on each serial console of the kernel.
 *
 * There is none of the root shells that Debian's own would start for a runlevel that failed. Source: inittab(5)
 *
 * @param consoles `ttyS0` …
 */
export function inittab(consoles: readonly string[]): string {
  const serial = consoles.map(
    (name, index) => `S${index}:2345:respawn:/sbin/getty -L --keep-baud 115200,57600,38400,9600 ${name} vt220`,
  );
  return `${[
    "# Made by petrify.",
    "id:2:initdefault:",
    "si::sysinit:/etc/init.d/rcS",
    ...[0, 1, 2, 3, 4, 5, 6].map((level) => `l${level}:${level}:wait:/etc/init.d/rc ${level}`),
    "ca::ctrlaltdel:/sbin/shutdown -r now",
    "1:2345:respawn:/sbin/getty --noclear 38400 tty1",
    ...serial,
  ].join("\n")}\n`;
}
