/**
 * @portable Lays the machine config down before process 1 starts: users, files, host name. It never fails a boot: what cannot be as it should is
 * said, and the boot goes on. docs/concepts/initrd.md
 */
import { latin1Bytes } from "../layout/env-block.ts";
import type { CompiledConfig, TreeEntry } from "../layout/compiled-config.ts";
import type { ImageFacts } from "../layout/image-facts.ts";
import {
  ACCOUNT_FILES,
  mergeAccounts,
  type AccountFile,
  type AccountTexts,
  type MergedAccounts,
} from "../layout/merge-accounts.ts";
import {
  CONFIG_DATA_PATH,
  CONFIG_WANTED,
  encodeConfigData,
  encodeRunConfig,
  NO_RUN_CONFIG,
  RUN_CONFIG_PATH,
  runOf,
  stageMark,
  type RunConfig,
} from "../layout/run-config.ts";
import { ownerNames, type OwnerNames } from "../layout/owner-names.ts";
import { sentence } from "./failure.ts";
import type { FoundConfig } from "./find-config.ts";
import { isA, refused } from "./inside.ts";
import { layEntries, onlyIn, type LayPlace } from "./lay-entries.ts";
import type { FileStatus, Sys } from "./sys.ts";
import { readWhole } from "./whole-file.ts";

/** Folders that can be written to and are forgotten at a reboot. */
const LAID = ["/etc", "/var"] as const;
/** Notes that stand in the kernel's log one by one. */
const TOLD = 5;
/** Made of more than one entry can say. */
const MADE: Readonly<Record<string, string>> = {
  "/etc/fstab": "is made at each boot of what disk, image and config have",
  "/etc/machine-id": "is the machine's own",
  ...Object.fromEntries(ACCOUNT_FILES.map((name) => [`/etc/${name}`, "is made of the image's users and the config's"])),
};
const HOSTNAME = "/etc/hostname";
const KERNEL_HOSTNAME = "/proc/sys/kernel/hostname";
/** Of accounts' files that the image lacks. */
const newStatus = (name: AccountFile): Pick<FileStatus, "mode" | "uid" | "gid"> => ({
  ...{ mode: name === "shadow" || name === "gshadow" ? 0o600 : 0o644, uid: 0, gid: 0 },
});

export interface LayOptions {
  readonly found: FoundConfig;
  readonly image: ImageFacts | undefined;
  /** It takes what a machine needs to be reached, and nothing else. */
  readonly isRecovery: boolean;
  /** When the search for it began, of {@link Sys.now}. */
  readonly since: number;
}

/** Leaves what was laid in `/run/petrify`. @param root where the image's root is, with its `/etc` and `/var` being writable */
export function layConfig(sys: Sys, root: string, { found, image, isRecovery, since }: LayOptions): void {
  const notes: string[] = [];
  const { chosen } = found;
  const laid = chosen && lay(sys, root, isRecovery ? recoveryPart(chosen.config) : chosen.config, found, notes);
  const isOthers =
    chosen !== undefined && (chosen.config.image.name !== image?.name || chosen.config.image.version !== image.version);
  const wanted = found.wanted ?? (isOthers && !isRecovery ? "it was made for another image" : undefined);
  const facts: RunConfig = {
    ...NO_RUN_CONFIG,
    ...(chosen ? { generation: chosen.generation, config: chosen.config.config } : {}),
    ...(chosen?.trial === undefined ? {} : { trial: chosen.trial }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(chosen?.config.health && !isRecovery ? { health: chosen.config.health } : {}),
    ...{ notes, stages: chosen && !isRecovery ? chosen.config.stages : [] },
    ...{ users: Object.fromEntries(laid?.ids.user ?? []), groups: Object.fromEntries(laid?.ids.group ?? []) },
    tookMs: Math.round(sys.now() - since),
  };
  const data = (isRecovery ? [] : (chosen?.config.entries ?? [])).filter(({ when }) => when === "data");
  const homes = laid?.homes ?? [];
  try {
    leave(sys, RUN_CONFIG_PATH, encodeRunConfig(facts));
    for (const run of new Set(facts.stages.map(runOf))) leave(sys, stageMark(run), "");
    if (wanted !== undefined) leave(sys, CONFIG_WANTED, `${wanted}\n`);
    if (data.length > 0 || homes.length > 0) leave(sys, CONFIG_DATA_PATH, encodeConfigData({ homes, entries: data }));
  } catch (error) {
    sys.log("error", `the machine config is only half there: ${sentence(error)}`);
  }
  for (const note of notes.slice(0, TOLD)) sys.log("info", `machine config ${chosen?.generation}: ${note}`);
  if (notes.length > TOLD)
    sys.log("info", `machine config ${chosen?.generation}: and ${notes.length - TOLD} notes more, in ${RUN_CONFIG_PATH}`);
}

/** What a machine needs to be reached. */
const recoveryPart = (config: CompiledConfig): CompiledConfig => ({
  ...config,
  accounts: { users: [], groups: [] },
  entries: config.entries.filter(({ recovery }) => recovery === true),
});

function lay(
  sys: Sys,
  root: string,
  config: CompiledConfig,
  { remembered }: FoundConfig,
  notes: string[],
): MergedAccounts | undefined {
  const attempt = (what: string, act: () => void): void => {
    try {
      act();
    } catch (error) {
      notes.push(`${what}: ${sentence(error)}`);
    }
  };
  let image: AccountTexts = {};
  let merged: MergedAccounts | undefined;
  attempt("users and groups are the image's", () => {
    image = accountTexts(sys, root);
    const { users, groups } = config.accounts;
    if (users.length > 0 || groups.length > 0) merged = mergeAccounts(image, config.accounts, remembered);
  });
  if (merged) {
    notes.push(...merged.notes);
    for (const name of ACCOUNT_FILES) {
      const text = merged.texts[name];
      if (text !== undefined && text !== image[name])
        attempt(`/etc/${name} is the image's`, () => layAccounts(sys, root, name, text));
    }
  }
  const { passwd = "", group = "" } = merged?.texts ?? image;
  const place = rootPlace(root, ownerNames(passwd, group));
  const entries = config.entries.filter(({ when }) => when === "root");
  layEntries(sys, [...entries, ...hostnameEntry(config.hostname)], place, notes);
  if (config.hostname !== undefined)
    attempt("the host name is not set yet", () => sys.writeText(KERNEL_HOSTNAME, config.hostname!));
  return merged;
}

/** Where entries go that are forgotten at a reboot. @param root where the image's root is; empty in a running system */
export const rootPlace = (root: string, names: OwnerNames): LayPlace => ({
  ...{ root, makeIn: LAID, follow: true, names },
  refusal: (path, is) => (Object.hasOwn(MADE, path) ? MADE[path] : onlyIn(LAID)(path, is)),
});

const hostnameEntry = (hostname: string | undefined): readonly TreeEntry[] =>
  hostname === undefined
    ? []
    : [{ path: HOSTNAME, when: "root", owner: "0:0", what: { is: "file", mode: 0o644, content: { text: `${hostname}\n` } } }];

/** As the image has them; Latin-1. @throws AppError, SysError for one that is there and is no file, or cannot be read */
function accountTexts(sys: Sys, root: string): AccountTexts {
  const texts: { [name in AccountFile]?: string } = {};
  for (const name of ACCOUNT_FILES) {
    const at = `${root}/etc/${name}`;
    if (!sys.exists(at)) continue;
    if (!isA(sys, "file", at)) throw refused(`/etc/${name}`, "is no file in this image");
    texts[name] = readWhole(sys, at);
  }
  return texts;
}

/** With the owner and mode of the one that is there. @param text Latin-1 */
export function layAccounts(sys: Sys, root: string, name: AccountFile, text: string): void {
  const at = `${root}/etc/${name}`;
  const status = sys.exists(at) ? sys.status(at) : newStatus(name);
  const fresh = `${at}.petrify-new`;
  sys.removeTree(fresh);
  const file = sys.open(fresh, "new");
  try {
    sys.writeAt(file, 0, latin1Bytes(text));
  } finally {
    sys.close(file);
  }
  sys.setOwner(fresh, status);
  sys.rename(fresh, at);
}

/** For root only. */
function leave(sys: Sys, path: string, text: string): void {
  const file = sys.open(path, "create");
  try {
    sys.writeTextTo(file, text);
  } finally {
    sys.close(file);
  }
}
