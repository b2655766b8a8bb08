/** A machine for tests of stages: programs answer from a script, files are texts by path. */
import { createHash } from "node:crypto";
import type { CompiledAccounts } from "../../layout/compiled-config.ts";
import { CommandError } from "../../host/run.ts";
import { parseLsblk, withChildren } from "../../layout/lsblk.ts";
import { ACCOUNT_FILES } from "../../layout/merge-accounts.ts";
import type { InstanceRecord } from "../../layout/instance-record.ts";
import { GPT_FOUND } from "../../layout/wipefs.ts";
import type { StageStep } from "../../config/machine/compile/stage-plan.ts";
import type { StagePorts } from "./ports.ts";

export interface FakeStageMachine extends StagePorts {
  /** What happened. */
  readonly did: string[];
  readonly said: string[];
  readonly files: Map<string, string>;
  readonly state: { record: InstanceRecord; devices: unknown; stop: AbortController };
}
export interface FakeStageOptions {
  /** Exit status by the words of a program, or what happens when it runs; 0 otherwise. */
  readonly programs?: Readonly<Record<string, number | (() => number | void)>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly record?: InstanceRecord;
  readonly devices?: unknown;
  /** Besides what {@link devices} say: of what lsblk makes nothing of. */
  readonly signatures?: Readonly<Record<string, readonly string[]>>;
  readonly isBooting?: boolean;
  /** Fails to keep what was done once, from that note on. */
  readonly full?: number;
}

export function fakeStageMachine(options: FakeStageOptions = {}): FakeStageMachine {
  const {
    programs = {},
    record = { instance: "i-1", done: {} },
    devices = [],
    signatures = {},
    isBooting = false,
    full,
  } = options;
  const did: string[] = [];
  const said: string[] = [];
  const files = new Map(Object.entries({ "/etc/passwd": "root:x:0:0::/root:/bin/sh\n", ...options.files }));
  const state = { record, devices, stop: new AbortController() };
  let notes = 0;
  return {
    ...{ did, said, files, state, isBooting, init: "systemd" },
    facts: { os: "debian", osVersion: "13", architecture: "x86_64" },
    stopping: state.stop.signal,
    has: async (path) => await Promise.resolve(files.has(path)),
    read: async (path) => await Promise.resolve(files.get(path)),
    difference: async ({ path, what }) => {
      const text = what.is === "file" && "text" in what.content ? what.content.text : "";
      return await Promise.resolve(files.get(path) === text ? undefined : "is other");
    },
    accounts: async () => await Promise.resolve(Object.fromEntries(ACCOUNT_FILES.flatMap((name) => textOf(files, name)))),
    remembered: () => ({ user: new Map(), group: new Map() }),
    remember: async (ids) => await Promise.resolve(void did.push(`remember ${[...ids.user.keys()].join(" ")}`)),
    run: async (argv, { okExit = [0], stdin } = {}) => {
      const line = argv.join(" ");
      did.push(stdin === undefined ? line : `${line} < ${stdin.trim().replaceAll("\n", "; ")}`);
      const answer = programs[line];
      const exitCode = typeof answer === "function" ? (answer() ?? 0) : (answer ?? 0);
      const result = { exitCode, stdout: "", stderr: exitCode === 0 ? "" : "no" };
      if (!okExit.includes(exitCode)) throw new CommandError(argv, `exited with status ${exitCode}`, result);
      return await Promise.resolve(result);
    },
    lay: async ({ accounts, entries }) => {
      did.push(`lay ${[...(accounts?.passwd === undefined ? [] : ["accounts"]), ...entries.map(({ path }) => path)].join(" ")}`);
      for (const [name, text] of Object.entries(accounts ?? {})) files.set(`/etc/${name}`, text);
      for (const { path, what } of entries) if (what.is === "file" && "text" in what.content) files.set(path, what.content.text);
      return await Promise.resolve([]);
    },
    removeEmptyFolder: async () => await Promise.resolve(),
    setHostname: async (name) => await Promise.resolve(void did.push(`hostname ${name}`)),
    setParameter: async (name, value) => await Promise.resolve(void did.push(`sysctl ${name}=${value}`)),
    download: async ({ path }) => await Promise.resolve(void did.push(`download ${path}`)),
    disks: {
      own: "/dev/vda",
      find: async (at) => await Promise.resolve("path" in at ? at.path : undefined),
      list: async () => await Promise.resolve(JSON.stringify({ blockdevices: state.devices })),
      signatures: async (path) => {
        const nodes = parseLsblk(JSON.stringify({ blockdevices: state.devices })).flatMap(withChildren);
        const found = nodes.find((node) => node.path === path);
        const table = found && found.children.length > 0 ? [GPT_FOUND] : [];
        return await Promise.resolve([
          ...table,
          ...(found?.content === undefined ? [] : [found.content]),
          ...(signatures[path] ?? []),
        ]);
      },
      settle: async () => await Promise.resolve(),
      changed: async (path) => await Promise.resolve(void did.push(`changed ${path}`)),
    },
    instance: {
      record: () => state.record,
      problems: [],
      note: async (what, done) => {
        if (full !== undefined && notes++ >= full) throw new Error("no space left on device");
        state.record = { ...state.record, done: { ...state.record.done, [what]: done } };
        await Promise.resolve();
      },
    },
    sha256: (text) => createHash("sha256").update(text).digest("hex"),
    uptime: () => 0,
    now: () => 1_800_000_000,
    log: (level, line) => void said.push(`${level}: ${line}`),
  };
}

const textOf = (files: ReadonlyMap<string, string>, name: string): (readonly [string, string])[] => {
  const text = files.get(`/etc/${name}`);
  return text === undefined ? [] : [[name, text]];
};

const NOBODY: CompiledAccounts = { users: [], groups: [] };
export const fakeStageStep = (name: string, about: Partial<StageStep> = {}): StageStep => ({
  ...{ name, own: false, conditions: { files: [], anyFile: [], noFiles: [] }, after: [], onError: "fail", accounts: NOBODY },
  ...{ entries: [], lines: [], fetched: [], sysctl: {}, modules: [], environment: {}, commands: [] },
  units: { start: [], stop: [], restart: [] },
  ...about,
});
