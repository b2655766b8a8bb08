/** @portable Reads an fstab. Source: fstab(5). */
import { DEVICES_FOLDER, DATA_PARTITIONS, PERSISTENT_FOLDER, type DataPartition } from "./fstab.ts";
import { unescapeOctal } from "./mountinfo.ts";

export interface FstabLine {
  /** What is mounted: a device, `overlay`, `tmpfs` … */
  readonly spec: string;
  /** Where; `none` for swap. */
  readonly point: string;
  /** `ext4`, `auto`, or several with commas between. */
  readonly type: string;
  readonly options: readonly string[];
}

/** Comments and lines without a type are passed over. Never throws. */
export function parseFstab(text: string): FstabLine[] {
  return text.split("\n").flatMap((line) => {
    const [spec, point, type, options = "defaults"] = line.trim().split(/[ \t]+/);
    if (!spec || spec.startsWith("#") || !point || !type) return [];
    return [{ spec: unescapeOctal(spec), point: unescapeOctal(point), type, options: options.split(",").map(unescapeOctal) }];
  });
}

/** The data partition without which a line cannot be mounted, if any. */
export function dataPartitionOf({ spec, point, options }: FstabLine): DataPartition | undefined {
  const named = DATA_PARTITIONS.find((name) => spec === `${DEVICES_FOLDER}/${name}`);
  if (named) return named;
  const inPersistent = (path: string): boolean => path === PERSISTENT_FOLDER || path.startsWith(`${PERSISTENT_FOLDER}/`);
  const upper = options.find((option) => option.startsWith("upperdir="))?.slice("upperdir=".length);
  return inPersistent(point) || (upper !== undefined && inPersistent(upper)) ? "persistent" : undefined;
}

/** Name of systemd's unit for a mount point: `/var/lib/my-app` → `var-lib-my\x2dapp.mount`. Source: systemd.unit(5), systemd-escape(1). */
export function mountUnit(point: string): string {
  const path = point.replaceAll(/^\/+|\/+$/g, "").replaceAll(/\/+/g, "/");
  if (path === "") return "-.mount";
  const escaped = Array.from(new TextEncoder().encode(path), (byte, index) => {
    const character = String.fromCharCode(byte);
    if (character === "/") return "-";
    const plain = index === 0 ? /[A-Za-z0-9:_]/ : /[A-Za-z0-9:_.]/;
    return plain.test(character) ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
  });
  return `${escaped.join("")}.mount`;
}
