import { join } from "node:path";
import { AppError } from "../core/error.ts";
import type { Run, RunOptions, RunResult } from "./run.ts";

/** A host file or folder that a program of the tools tree sees at the same path (or at `target`). */
export interface Bind {
  readonly source: string;
  readonly target?: string;
  /** Default: read-only. */
  readonly writable?: boolean;
}
export interface SandboxOptions {
  readonly binds?: readonly Bind[];
  /** Share the host's network; default no network at all. */
  readonly network?: boolean;
  /** Files may be owned by any uid and gid. Default false: everything written belongs to the caller, and no subordinate ids are needed. */
  readonly anyOwner?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}
export type ToolsRunOptions = SandboxOptions & Omit<RunOptions, "env" | "cwd">;

/** The tools tree: programs run inside it see its files (read-only), an empty /tmp, and what they are given. */
export interface Tools {
  /** Folder of the tree on the host. */
  readonly root: string;
  /** Changes with every package of the tree: part of the key of everything that is cached. */
  readonly id: string;
  run(argv: readonly [string, ...string[]], options?: ToolsRunOptions): Promise<RunResult>;
  /** The host's argv for a long-lived program (QEMU); it ends when the caller's process does. */
  argv(argv: readonly [string, ...string[]], options?: SandboxOptions): [string, ...string[]];
}

/** Who we are on the host: root needs no user namespace; anybody else gets one, with subordinate ids where asked. */
export interface Caller {
  readonly uid: number;
  /** Names of `/dev` nodes that exist and may be opened, among kvm and vhost-net. */
  readonly devices: readonly string[];
}

/** Root of a user namespace with every subordinate id of the caller; for root, nothing is needed. */
export function inUserNamespace({ uid }: Caller, argv: readonly string[]): [string, ...string[]] {
  const namespace = uid === 0 ? [] : ["unshare", "--user", "--map-root-user", "--map-auto", "--"];
  return [...namespace, ...argv] as [string, ...string[]];
}

/** The same with mounts and processes of its own: they end with the command, however it ends. */
export function inMountNamespace({ uid }: Caller, argv: readonly string[]): [string, ...string[]] {
  const user = uid === 0 ? [] : ["--user", "--map-root-user", "--map-auto"];
  return ["unshare", ...user, "--mount", "--pid", "--fork", "--kill-child", "--", ...argv];
}

/**
 * bubblewrap of the tree itself, started through the tree's own loader, so the host needs none.
 *
 * Everything dies with the caller (`--die-with-parent` and a pid namespace): an interrupted build leaves no process and no mount.
 */
export function openTools(root: string, id: string, caller: Caller, run: Run): Tools {
  const argv: Tools["argv"] = (command, { binds = [], network = false, anyOwner = false, env = {}, cwd = "/" } = {}) => {
    const libraries = join(root, "usr/lib/x86_64-linux-gnu");
    const bwrap = [join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries, join(root, "usr/bin/bwrap")];
    const namespace = caller.uid === 0 ? [] : ["unshare", "--user", "--map-root-user", ...(anyOwner ? ["--map-auto"] : []), "--"];
    // `unshare` puts the program in a user namespace where it is root, so bubblewrap needs no further one.
    const args = [
      ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--cap-add", "ALL"],
      ...(network ? [] : ["--unshare-net"]),
      ...["--tmpfs", "/", "--ro-bind", join(root, "usr"), "/usr", "--ro-bind", join(root, "etc"), "/etc"],
      ...["--ro-bind", join(root, "var"), "/var"],
      ...["bin", "sbin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
      ...["--dev", "/dev", "--proc", "/proc", "--ro-bind", "/sys", "/sys", "--tmpfs", "/tmp", "--tmpfs", "/run"],
      ...caller.devices.flatMap((name) => ["--dev-bind-try", `/dev/${name}`, `/dev/${name}`]),
      ...(network ? ["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf", "--ro-bind-try", "/etc/hosts", "/etc/hosts"] : []),
      ...binds.flatMap(({ source, target = source, writable }) => [writable ? "--bind" : "--ro-bind", source, target]),
      ...["--chdir", cwd, "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "LANG", "C.UTF-8"],
      ...["--setenv", "HOME", "/tmp"],
      ...Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]),
    ];
    return [...namespace, ...bwrap, ...args, "--", ...command] as [string, ...string[]];
  };
  return {
    root,
    id,
    argv,
    run: async (command, options = {}) => {
      const { binds, network, anyOwner, env, cwd, ...rest } = options;
      const sandbox: SandboxOptions = {
        ...(binds ? { binds } : {}),
        ...(network ? { network } : {}),
        ...(anyOwner ? { anyOwner } : {}),
        ...(env ? { env } : {}),
        ...(cwd ? { cwd } : {}),
      };
      return await run(argv(command, sandbox), rest);
    },
  };
}

/** An error of a program without the sandbox's own argv in front of it. */
export function toolFailed(tool: string, what: string, cause: unknown, hint?: string): AppError {
  const reason = cause instanceof Error ? cause.message.split("\n").slice(1).join("\n").trim() || cause.message : String(cause);
  return new AppError("TOOL_FAILED", `${what}: ${tool} failed: ${reason}`, { cause, ...(hint ? { hint } : {}) });
}
