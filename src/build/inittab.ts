import type { OpenrcInit } from "./image-init.ts";

/**
 * What process 1 starts: OpenRC's runlevels, and a login prompt on the first screen and on each serial console of the kernel.
 *
 * There is none of the root shells that a distribution's own would start for a runlevel that failed. Source: inittab(5); busybox's
 * examples/inittab
 *
 * @param consoles `ttyS0` …
 */
export function inittab(consoles: readonly string[], init: OpenrcInit): string {
  return `${["# Made by petrify.", ...(init.first === "busybox" ? busybox(consoles, init) : sysvinit(consoles, init))].join("\n")}\n`;
}

function sysvinit(consoles: readonly string[], { openrc, rcScripts, getty }: OpenrcInit): string[] {
  const start = rcScripts
    ? ["si::sysinit:/etc/init.d/rcS", ...[0, 1, 2, 3, 4, 5, 6].map((level) => `l${level}:${level}:wait:/etc/init.d/rc ${level}`)]
    : [
        ...[`si::sysinit:${openrc} sysinit`, `rc::bootwait:${openrc} boot`],
        ...[`l0:0:wait:${openrc} shutdown`, "l0s:0:wait:/sbin/halt -dhip", `l1:1:wait:${openrc} single`],
        ...[2, 3, 4, 5].map((level) => `l${level}:${level}:wait:${openrc} default`),
        ...[`l6:6:wait:${openrc} reboot`, "l6r:6:wait:/sbin/reboot -dkip"],
      ];
  return [
    "id:2:initdefault:",
    ...start,
    "ca::ctrlaltdel:/sbin/shutdown -r now",
    ...logins(["tty1", ...consoles], getty).map((command, n) => `${n === 0 ? "1" : `S${n - 1}`}:2345:respawn:${command}`),
  ];
}

function busybox(consoles: readonly string[], { openrc, getty }: OpenrcInit): string[] {
  return [
    ...[`::sysinit:${openrc} sysinit`, `::sysinit:${openrc} boot`, `::wait:${openrc} default`],
    ...[`::shutdown:${openrc} shutdown`, "::ctrlaltdel:/sbin/reboot"],
    ...logins(["tty1", ...consoles], getty).map((command, n) => `${n === 0 ? "tty1" : consoles[n - 1]}::respawn:${command}`),
  ];
}

/** A command for each console; none where nothing can ask for a login. */
function logins(consoles: readonly string[], getty: OpenrcInit["getty"]): string[] {
  if (!getty) return [];
  const { path, of } = getty;
  return consoles.map((console) => {
    const isSerial = !/^tty\d+$/.test(console);
    if (of === "busybox") return isSerial ? `${path} -L 115200 ${console} vt220` : `${path} 38400 ${console}`;
    return isSerial ? `${path} -L --keep-baud 115200,57600,38400,9600 ${console} vt220` : `${path} --noclear 38400 ${console}`;
  });
}
