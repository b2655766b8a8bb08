/** @portable What is mounted: `/proc/self/mountinfo`. Source: proc_pid_mountinfo(5). */

export interface Mount {
  readonly id: number;
  /** Id of the mount that this one lies on. */
  readonly parent: number;
  /** Where it is mounted, as programs see it. */
  readonly point: string;
  /** Of this mount: `rw`, `nosuid` … */
  readonly options: readonly string[];
  /** Of the file system: `ext4`, `fuse.sshfs` … */
  readonly type: string;
  readonly source: string;
  /** Of the file system: `ro` here is one that nobody can write to. */
  readonly superOptions: readonly string[];
}

/** Reads the kernel's list; lines that have another form are passed over. Never throws. */
export const parseMountInfo = (text: string): Mount[] => text.split("\n").flatMap((line) => parseLine(line) ?? []);

/**
 * The mount that programs see at a path, if there is one exactly there.
 *
 * Mounts can lie on each other: the one that no other covers counts.
 */
export function mountAt(mounts: readonly Mount[], point: string): Mount | undefined {
  const here = mounts.filter((mount) => mount.point === point);
  return here.findLast(({ id }) => !here.some((other) => other.parent === id && other.id !== id));
}

function parseLine(line: string): Mount | undefined {
  const fields = line.split(" ");
  // Any number of optional fields, then a dash.
  const dash = fields.indexOf("-", 6);
  const [id, parent, , , point, options] = fields;
  const [type, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
  if (superOptions === undefined || !/^\d{1,10}$/.test(id!) || !/^\d{1,10}$/.test(parent!)) return undefined;
  return {
    ...{ id: Number(id), parent: Number(parent), point: unescapeOctal(point!), options: options!.split(",") },
    ...{ type: unescapeOctal(type!), source: unescapeOctal(source!), superOptions: superOptions.split(",") },
  };
}

/** Space, tab, newline and backslash are written as `\040` and so on, there and in an fstab. Source: getmntent(3). */
export const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
