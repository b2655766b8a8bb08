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
  "e2fsprogs",
  "linux-image-cloud-amd64",
] as const;
/** Of the kernel, on both sides of the boot comparison. */
export const KERNEL_WORDS = ["panic=5", "console=tty0", "console=ttyS0"] as const;

export const MARKER = "BENCH-MULTI-USER";
export const MARKER_UNIT = "bench-marker.service";
/** Ordered after the target that wants it, so it starts when multi-user has been reached. The second line shows what the root is. */
const UNIT = `[Unit]
Description=Says on the console that multi-user has been reached
After=multi-user.target

[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/echo ${MARKER}
ExecStart=/bin/grep " / " /proc/self/mounts

[Install]
WantedBy=multi-user.target
`;

/** Writes the files that go over the image, as a folder; `content` is that of the one file that a rebuild changes. */
export async function writeOverlay(folder: string, content: string): Promise<void> {
  await writeText(join(folder, "etc/systemd/system", MARKER_UNIT), UNIT);
  await writeText(join(folder, "etc/bench.conf"), `${content}\n`);
}
