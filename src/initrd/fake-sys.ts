/** A machine in memory, for tests: it notes what is done to it in the words of {@link FakeSys.done}. */
import type { Bytes } from "../core/units.ts";
import { crc32 } from "../layout/crc32.ts";
import { latin1Bytes, latin1Text } from "../layout/env-block.ts";
import { ERRNO, FILE_FLAGS, SysError, type MountOptions, type Sys, type WalkedFile } from "./sys.ts";

/** Bytes at places; what lies between them is zero. */
export interface FakeBlock {
  readonly size: Bytes;
  /** Default: all of it. */
  readonly stored?: Bytes;
  readonly patches: { offset: Bytes; data: Uint8Array }[];
}
/** What a walk finds at a path. */
export interface FakeFile {
  mode: number;
  uid: number;
  gid: number;
  flags: number;
  readonly attributes: Map<string, Uint8Array>;
}
export interface FakeSys extends Sys {
  /** One line for each change, in order: `mount ext4 /dev/vda6 /run/petrify/images`. */
  readonly done: string[];
  /** By path, texts and folders (`undefined`). */
  readonly files: Map<string, string | undefined>;
  /** Contents of device nodes and large files, by path. */
  readonly blocks: Map<string, FakeBlock>;
  /** What is neither a file nor a folder, or has other permission bits: the mode of stat(2), by path. */
  readonly modes: Map<string, number>;
  /** Folders of an upper layer that were made anew. */
  readonly opaque: Set<string>;
  /** What walks find, by path. Two paths with one object are hard links. */
  readonly tree: Map<string, FakeFile>;
  /** A line of {@link done} that starts with a key fails with that errno. */
  readonly refuses: Map<string, number>;
  /** Called with each line of {@link done}: what happens by itself when something is done. */
  react: (line: string) => void;
}
/** Type and permission bits of every link. */
const LINK = 0o120777;

/** Thrown where a real machine would not come back. */
export class Gone extends Error {}

export function fakeSys(files: Readonly<Record<string, string>> = {}): FakeSys {
  const state = new Map<string, string | undefined>(Object.entries(files));
  const blocks = new Map<string, FakeBlock>();
  const tree = new Map<string, FakeFile>();
  const refuses = new Map<string, number>();
  const done: string[] = [];
  const opened = new Map<number, string>();
  const modes = new Map<string, number>();
  const opaque = new Set<string>();
  const owners = new Map<string, { uid: number; gid: number }>();
  let time = 1000;
  let clock = 2_000_000_000;
  let nextFile = 3;
  let randomness = 1;

  const exists = (path: string): boolean =>
    state.has(path) || blocks.has(path) || [...state.keys(), ...blocks.keys()].some((file) => file.startsWith(`${path}/`));
  const missing = (what: string): SysError => new SysError(what, ERRNO.noEntry, "No such file or directory");
  const act = (line: string): void => {
    for (const [start, errno] of refuses) if (line.startsWith(start)) throw new SysError(line, errno, `errno ${errno}`);
    done.push(line);
    sys.react(line);
  };
  const blockOf = (file: number): FakeBlock => {
    const block = blocks.get(opened.get(file)!);
    if (!block) throw missing(`read ${opened.get(file)}`);
    return block;
  };

  const sys: FakeSys = {
    done,
    files: state,
    blocks,
    modes,
    opaque,
    tree,
    refuses,
    react: () => {},
    now: () => time,
    pause: (milliseconds) => void (time += milliseconds),
    random: (bytes) => Uint8Array.from({ length: bytes }, () => (randomness = (randomness * 5 + 17) % 251)),
    clock: () => clock,
    setClock: (seconds) => {
      act(`clock ${seconds}`);
      clock = seconds;
    },
    log: (level, line) => void done.push(`${level}: ${line}`),
    kernelLog: () => "[    0.0] log\n",
    exists,
    readText: (path) => {
      const text = state.get(path);
      if (text === undefined) throw missing(`open ${path}`);
      return text;
    },
    writeText: (path, text) => {
      act(`write ${path}`);
      state.set(path, text);
    },
    list: (path) => {
      const names = [...state.keys(), ...blocks.keys()]
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1).split("/")[0]!);
      return [...new Set(names)].toSorted();
    },
    status: (path) => {
      if (!exists(path)) throw missing(`stat ${path}`);
      const type = state.get(path) === undefined && !blocks.has(path) ? 0o040000 : 0o100000;
      const mode = modes.get(path) ?? 0o755;
      return {
        mode: mode > 0o7777 ? mode : type | mode,
        ...(owners.get(path) ?? { uid: 0, gid: 0 }),
        size: blocks.get(path)?.size ?? state.get(path)?.length ?? 0,
        stored: blocks.get(path)?.stored ?? blocks.get(path)?.size ?? 0,
      };
    },
    makeFolder: (path, mode = 0o755) => {
      if (state.has(path)) return;
      act(`mkdir ${path} ${mode.toString(8)}`);
      state.set(path, undefined);
      modes.set(path, mode);
    },
    makeLink: (path, target) => {
      if (state.has(path)) throw new SysError(`link ${path}`, ERRNO.exists, "File exists");
      act(`link ${path} ${target}`);
      state.set(path, target);
      modes.set(path, LINK);
    },
    readLink: (path) => {
      const target = modes.get(path) === LINK ? state.get(path) : undefined;
      if (target === undefined) throw missing(`read the link ${path}`);
      return target;
    },
    rename: (from, to) => {
      if (!exists(from)) throw missing(`rename ${from}`);
      // Only a file replaces a file, and only an empty folder is replaced. Source: rename(2)
      const isFolder = (path: string): boolean => (sys.status(path).mode & 0o170000) === 0o040000;
      if (exists(to) && (isFolder(from) !== isFolder(to) || sys.list(to).length > 0)) {
        throw new SysError(`rename ${from}`, ERRNO.notEmpty, "Directory not empty");
      }
      act(`rename ${from} ${to}`);
      if (!state.has(from)) state.set(from, undefined); // a folder that only what is in it tells of
      for (const [path, text] of [...state].filter(([name]) => name === from || name.startsWith(`${from}/`))) {
        const moved = to + path.slice(from.length);
        state.delete(path);
        state.set(moved, text);
        const mode = modes.get(path);
        modes.delete(path);
        modes.delete(moved);
        if (mode !== undefined) modes.set(moved, mode);
        const owner = owners.get(path);
        owners.delete(path);
        owners.delete(moved);
        if (owner) owners.set(moved, owner);
        if (opaque.delete(path)) opaque.add(moved);
      }
    },
    removeTree: (path) => {
      if (!exists(path)) return;
      act(`remove ${path}`);
      for (const file of [...state.keys()].filter((name) => name === path || name.startsWith(`${path}/`))) {
        for (const what of [state, modes, opaque, owners]) what.delete(file);
      }
    },
    isOpaque: (path) => opaque.has(path),
    setOwner: (path, { mode, uid, gid }) => {
      act(`own ${path} ${uid}:${gid} ${(mode & 0o7777).toString(8)}`);
      owners.set(path, { uid, gid });
      if (modes.get(path) !== LINK) modes.set(path, mode & 0o7777);
    },
    remove: (path) => {
      if (!exists(path)) throw missing(`remove ${path}`);
      act(`remove ${path}`);
      for (const what of [state, modes, owners]) what.delete(path);
    },
    walk: (folder, visit, failed) => {
      let closed: string | undefined;
      for (const [path, file] of tree) {
        if (path !== folder && !path.startsWith(`${folder}/`)) continue;
        if (closed !== undefined && path.startsWith(`${closed}/`)) continue;
        visit(walkedFile(path, file, act));
        const errno = refuses.get(`list ${path}`);
        if (errno === undefined) continue;
        closed = path;
        failed(path, new SysError(`list ${path}`, errno, `errno ${errno}`));
      }
    },

    open: (path, access) => {
      if (access === "new" && exists(path)) throw new SysError(`open ${path}`, ERRNO.exists, "File exists");
      if (access === "create" || access === "new") {
        act(`create ${path}`);
        state.set(path, "");
        modes.set(path, 0o600);
      }
      if (!exists(path)) throw missing(`open ${path}`);
      if (refuses.has(`open ${path}`)) throw new SysError(`open ${path}`, refuses.get(`open ${path}`)!, "refused");
      opened.set(nextFile, path);
      return nextFile++;
    },
    close: (file) => void opened.delete(file),
    readAt: (file, offset, length) => {
      const path = opened.get(file)!;
      if (refuses.has(`read ${path} ${offset}`)) throw new SysError(`read ${path}`, 5, "Input/output error");
      const content = blocks.has(path) ? undefined : state.get(path);
      if (content !== undefined) return latin1Bytes(content.slice(offset, offset + length));
      const { size, patches } = blockOf(file);
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      for (const patch of patches) {
        const from = Math.max(offset, patch.offset);
        const to = Math.min(offset + bytes.length, patch.offset + patch.data.length);
        if (from < to) bytes.set(patch.data.subarray(from - patch.offset, to - patch.offset), from - offset);
      }
      return bytes;
    },
    writeAt: (file, offset, data) => {
      const path = opened.get(file)!;
      act(`write ${path} at ${offset}`);
      const content = blocks.has(path) ? undefined : state.get(path);
      if (content !== undefined) return void state.set(path, content.slice(0, offset) + latin1Text(data));
      blockOf(file).patches.push({ offset, data: data.slice() });
    },
    writeTextTo: (file, content) => {
      const path = opened.get(file)!;
      act(`fill ${path}`);
      state.set(path, content);
    },
    syncFile: (file) => act(`sync ${opened.get(file)}`),
    ioctl: (file, request, data) => {
      const path = opened.get(file)!;
      const detail = path === "/dev/mapper/control" && typeof data !== "number" ? ` ${deviceMapper(request, data)}` : "";
      act(`ioctl ${path} ${request.toString(16)}${detail}`);
      if (path === "/dev/loop-control") return done.filter((line) => line.startsWith("ioctl /dev/loop-control")).length - 1;
      return 0;
    },
    crc32: (content) => crc32(latin1Bytes(content)),

    mount: (source, target, options: MountOptions = {}) => act(`mount ${options.type ?? options.flags} ${source} ${target}`),
    unmount: (target) => act(`unmount ${target}`),
    loadModule: (path, parameters) => act(`load ${path} ${parameters}`.trim()),
    switchRoot: (folder) => act(`root ${folder}`),
    exec: (program, values) => {
      act(`exec ${program} ${values.join(" ")}`);
      throw new Gone("exec");
    },
    sync: () => act("sync"),
    reboot: () => {
      act("reboot");
      throw new Gone("reboot");
    },
  };
  return sys;
}

/** As Linux does it. Source: chown(2), ioctl_iflags(2) */
function walkedFile(path: string, file: FakeFile, act: (line: string) => void): WalkedFile {
  const change = (line: string): void => {
    if ((file.flags & (FILE_FLAGS.immutable | FILE_FLAGS.appendOnly)) !== 0) {
      throw new SysError(line, ERRNO.notPermitted, "Operation not permitted");
    }
    act(line);
  };
  return {
    path,
    mode: file.mode,
    uid: file.uid,
    gid: file.gid,
    attributes: () => [...file.attributes.keys()],
    attribute: (name) => file.attributes.get(name)!.slice(),
    setAttribute: (name, value) => {
      change(`attribute ${path} ${name}`);
      file.attributes.set(name, value.slice());
    },
    removeAttribute: (name) => {
      change(`forget ${path} ${name}`);
      file.attributes.delete(name);
    },
    setIds: (uid, gid) => {
      change(`chown ${path} ${uid}:${gid}`);
      Object.assign(file, { uid, gid });
      if ((file.mode & 0o170000) === 0o040000) return;
      file.mode &= ~0o6000;
      file.attributes.delete("security.capability");
    },
    setMode: (mode) => {
      change(`chmod ${path} ${mode.toString(8)}`);
      file.mode = (file.mode & 0o170000) | (mode & 0o7777);
    },
    flags: () => file.flags,
    setFlags: (flags) => {
      act(`flags ${path} ${flags}`);
      file.flags = flags;
    },
  };
}

/** What a request says; creating a device answers with its number. Source: linux/dm-ioctl.h */
function deviceMapper(request: number, data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset);
  const number = request & 0xff;
  const name = text(data, 48);
  if (number === 3) view.setBigUint64(40, 0xfd07n, true);
  if (number !== 9) return name;
  return `${name} ${Number(view.getBigUint64(312 + 8, true))} ${text(data, 312 + 24)} ${text(data, 312 + 40)}`;
}

const text = (bytes: Uint8Array, from: number): string => latin1Text(bytes.subarray(from)).split("\0", 1)[0]!;
