import { LOGIN_PROGRAM } from "./default-units.ts";
import type { OpenrcInit } from "./image-init.ts";

/**
 * What process 1 starts: OpenRC's runlevels, and on the first screen and each serial console of the kernel a login prompt, or the installer.
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
    ...onConsoles(["tty1", ...consoles], getty).map(({ action, command }, n) => {
      const id = n === 0 ? "1" : `S${n - 1}`;
      return `${id}:2345:${action}:${command}`;
    }),
  ];
}

function busybox(consoles: readonly string[], { openrc, getty }: OpenrcInit): string[] {
  return [
    ...[`::sysinit:${openrc} sysinit`, `::sysinit:${openrc} boot`, `::wait:${openrc} default`],
    ...[`::shutdown:${openrc} shutdown`, "::ctrlaltdel:/sbin/reboot"],
    ...onConsoles(["tty1", ...consoles], getty).map(({ console, action, command }) => `${console}::${action}:${command}`),
  ];
}

/** Runs the installer, or else the rest of its arguments: src/build/rootfs/openrc/usr/lib/petrify/console */
const CONSOLE = "/usr/lib/petrify/console";

/** A command for each console; where nothing can ask for a login it ends at once, unless it is the installer. */
function onConsoles(
  consoles: readonly string[],
  getty: OpenrcInit["getty"],
): { readonly console: string; readonly action: "respawn" | "once"; readonly command: string }[] {
  return consoles.map((console) => ({
    console,
    action: getty ? "respawn" : "once",
    command: [CONSOLE, console, ...(getty ? [loginOn(console, getty)] : [])].join(" "),
  }));
}

function loginOn(console: string, { path, of }: NonNullable<OpenrcInit["getty"]>): string {
  const isSerial = !/^tty\d+$/.test(console);
  const to = `${path} -l ${LOGIN_PROGRAM}`;
  if (of === "busybox") return isSerial ? `${to} -L 115200 ${console} vt220` : `${to} 38400 ${console}`;
  return isSerial ? `${to} -L --keep-baud 115200,57600,38400,9600 ${console} vt220` : `${to} --noclear 38400 ${console}`;
}
