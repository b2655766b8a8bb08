/** What every side is given: the same packages, the same file of its own, the same unit that says when the boot has ended. */
import { join } from "node:path";
import { writeText } from "../src/host/files.ts";

export const SUITE = "trixie";
/** petrify puts the same list into every image; the others are told. */
export const PACKAGES = [
  "systemd",
  "systemd-sysv",
  "udev",
  "dbus",
  "kmod",
  "login",
  "passwd",
  "mount",
  "e2fsprogs",
  "linux-image-cloud-amd64",
] as const;
/** Of the kernel, on both sides of the boot comparison. */
export const KERNEL_WORDS = [
  "panic=5",
  "oops=panic",
  "softlockup_panic=1",
  "nmi_watchdog=panic",
  "watchdog_thresh=30",
  "console=tty0",
  "console=ttyS0",
] as const;

export const MARKER = "BENCH-MULTI-USER";
const MARKER_UNIT = "bench-marker.service";
/** Ordered after the target that wants it, so it starts when multi-user has been reached. Then what the root is, and for how long the kernel runs. */
const UNIT = `[Unit]
Description=Says on the console that multi-user has been reached
After=multi-user.target

[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/echo ${MARKER}
ExecStart=/bin/grep " / " /proc/self/mounts
ExecStart=/bin/cat /proc/uptime

[Install]
WantedBy=multi-user.target
`;

/** `idle` waits until nothing else is being started: a machine can be shut down without cutting its first boot short. */
export const IDLE_MARKER = "BENCH-IDLE";
const IDLE_UNIT = `[Unit]
Description=Says on the console that nothing more is being started
After=multi-user.target ${MARKER_UNIT}

[Service]
Type=idle
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/echo ${IDLE_MARKER}

[Install]
WantedBy=multi-user.target
`;
export const UNITS = { [MARKER_UNIT]: UNIT, "bench-idle.service": IDLE_UNIT } as const;

/** Writes the files that go over the image, as a folder; `content` is that of the one file that a rebuild changes. */
export async function writeOverlay(folder: string, content: string): Promise<void> {
  for (const [name, text] of Object.entries(UNITS)) await writeText(join(folder, "etc/systemd/system", name), text);
  await writeText(join(folder, "etc/bench.conf"), `${content}\n`);
}
