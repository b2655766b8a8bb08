/** @portable Files of the persistent file system keep their owners when another image gives names other numbers. docs/concepts/persistence.md */
import { latin1Bytes, latin1Text } from "../layout/env-block.ts";
import { IMAGE_ROOT, PERSISTENT_FOLDER } from "../layout/fstab.ts";
import { accountsOf, firstIds, isNothing, planIdMoves, stepsOf, type Accounts } from "../layout/id-moves.ts";
import {
  decodeIds,
  decodeMoveJournal,
  encodeIds,
  encodeMoveJournal,
  IDS_FOLDER,
  IDS_PATH,
  MOVE_JOURNAL_PATH,
  type MoveJournal,
  type MovePhase,
  type Owners,
  type PersistentIds,
} from "../layout/persistent-ids.ts";
import { ACL_ATTRIBUTES, aclWithIds } from "../layout/posix-acl.ts";
import { sentence } from "./failure.ts";
import { ERRNO, FILE_FLAGS, SysError, type Sys, type WalkedFile } from "./sys.ts";
import { readWhole, removeWhole, replaceWhole } from "./whole-file.ts";

const TYPE = 0o170000;
const REGULAR = 0o100000;
/** Bits that a change of owner takes away. */
const SET_IDS = 0o6000;
const CAPABILITY = "security.capability";
/** What to give back to a file whose owner is being changed. Only root can set it. docs/formats/persistent-ids.md */
const GIVE_BACK = "trusted.petrify.give-back";
const LOCKED = FILE_FLAGS.immutable | FILE_FLAGS.appendOnly;

const PRIVATE = 0o700;
const PROGRESS_MS = 5000;
/** Failures that are told one by one. */
const TOLD = 5;

/**
 * Before anything is mounted over the persistent file system. Never throws: a boot goes on, and says what is wrong.
 *
 * @param configured users and groups besides the image's
 */
export function keepOwners(sys: Sys, configured: PersistentIds): void {
  try {
    sys.makeFolder(IDS_FOLDER, PRIVATE);
    followImage(sys, configured);
  } catch (error) {
    sys.log(
      "error",
      `persistent files may have wrong owners: they could not follow the image's users and groups: ${sentence(error)}`,
    );
  }
}

function followImage(sys: Sys, configured: PersistentIds): void {
  const accounts = (name: string, more: Owners): string =>
    readWhole(sys, `${IMAGE_ROOT}/etc/${name}`) + [...more].map(([other, id]) => `\n${other}:x:${id}:`).join("");
  const image = accountsOf(accounts("passwd", configured.user), accounts("group", configured.group));
  if (sys.exists(MOVE_JOURNAL_PATH) && !finishMoves(sys, image)) return;
  const text = sys.exists(IDS_PATH) ? readWhole(sys, IDS_PATH) : undefined;
  if (text === undefined) return writeIds(sys, firstIds(image));
  const before = decodeIds(text);
  if (before.is === "newer") return warnOfNewer(sys, IDS_PATH, before.format);
  if (before.is === "damaged") return startAnew(sys, IDS_PATH, image);

  const { moves, after } = planIdMoves(before.value, image);
  if (!isNothing(moves)) return carryOut(sys, { phase: 1, moves, after });
  if (encodeIds(after) !== text) writeIds(sys, after);
}

/** What an earlier boot began, for whatever image. @returns whether the record can be used */
function finishMoves(sys: Sys, image: Accounts): boolean {
  const journal = decodeMoveJournal(readWhole(sys, MOVE_JOURNAL_PATH));
  if (journal.is === "whole") {
    carryOut(sys, journal.value);
    return true;
  }
  if (journal.is === "newer") warnOfNewer(sys, MOVE_JOURNAL_PATH, journal.format);
  else {
    startAnew(sys, MOVE_JOURNAL_PATH, image);
    removeWhole(sys, MOVE_JOURNAL_PATH);
  }
  return false;
}

/** Each step is on the disk before the next begins, and does the same when it is begun again. */
function carryOut(sys: Sys, journal: MoveJournal): void {
  const { moves, after } = journal;
  const { user, group } = moves;
  sys.log("info", `the image has other ids: persistent files of ${user.length} users and ${group.length} groups follow`);
  if (journal.phase === 1) {
    replaceWhole(sys, MOVE_JOURNAL_PATH, encodeMoveJournal(journal));
    moveFiles(sys, moves, 1);
    replaceWhole(sys, MOVE_JOURNAL_PATH, encodeMoveJournal({ ...journal, phase: 2 }));
  }
  moveFiles(sys, moves, 2);
  writeIds(sys, after);
  removeWhole(sys, MOVE_JOURNAL_PATH);
}

/** It is on the disk when this returns. */
function moveFiles(sys: Sys, moves: MoveJournal["moves"], phase: MovePhase): void {
  const steps = stepsOf(moves, phase);
  let seen = 0;
  let changed = 0;
  let failures = 0;
  let told = sys.now();
  let level: "info" | "error" = "error"; // once on every console: whoever looks at it should not pull the plug
  const failed = (path: string, error: unknown): void => {
    if (++failures <= TOLD) sys.log("error", `the owner of ${path} could not be changed: ${sentence(error)}`);
  };
  const visit = (file: WalkedFile): void => {
    try {
      if (moveFile(file, steps.user, steps.group)) changed++;
    } catch (error) {
      failed(file.path, error);
    }
    if (++seen % 256 !== 0 || sys.now() < told + PROGRESS_MS) return;
    told = sys.now();
    sys.log(level, `changing owners of persistent files, step ${phase} of 2: ${seen} files seen, ${changed} changed`);
    level = "info";
  };
  sys.walk(PERSISTENT_FOLDER, visit, failed);
  sys.sync();
  sys.log("info", `owners of persistent files, step ${phase} of 2: ${seen} files seen, ${changed} changed`);
  if (failures > 0) sys.log("error", `${failures} persistent files or folders keep a wrong owner`);
}

/** @returns whether anything had to be done */
function moveFile(file: WalkedFile, users: ReadonlyMap<number, number>, groups: ReadonlyMap<number, number>): boolean {
  const { mode } = file;
  const [uid, gid] = [users.get(file.uid) ?? file.uid, groups.get(file.gid) ?? file.gid];
  const attributes = file.attributes();
  const lists = ACL_ATTRIBUTES.filter((name) => attributes.includes(name)).flatMap((name) => {
    const list = aclWithIds(file.attribute(name), users, groups);
    return list ? [{ name, list }] : [];
  });
  const isMoved = uid !== file.uid || gid !== file.gid;
  const isHalfDone = attributes.includes(GIVE_BACK);
  if (!isMoved && !isHalfDone && lists.length === 0) return false;

  const capability = attributes.includes(CAPABILITY) ? file.attribute(CAPABILITY) : undefined;
  const isSpecial = (mode & TYPE) === REGULAR && ((mode & SET_IDS) !== 0 || capability !== undefined);
  const kept = isHalfDone ? decodeGiveBack(file.attribute(GIVE_BACK)) : isMoved && isSpecial ? { mode, capability } : undefined;
  unlocked(file, () => {
    for (const { name, list } of lists) file.setAttribute(name, list);
    if (isMoved) {
      if (kept && !isHalfDone) note(file, kept);
      file.setIds(uid, gid);
    }
    if (kept) giveBack(file, kept);
  });
  return true;
}

/** What a change of owner takes away from a program. */
interface Kept {
  readonly mode: number;
  readonly capability: Uint8Array | undefined;
}

/** ext4 keeps the order of changes, so after a power cut the note is there whenever something has been taken away. */
function note(file: WalkedFile, kept: Kept): void {
  try {
    file.setAttribute(GIVE_BACK, encodeGiveBack(kept));
  } catch {
    // No room: then a power cut in the middle would cost the file its bits, and not leave it with a wrong owner.
  }
}

function giveBack(file: WalkedFile, { mode, capability }: Kept): void {
  file.setMode(mode);
  if (capability) file.setAttribute(CAPABILITY, capability);
  if (file.attributes().includes(GIVE_BACK)) file.removeAttribute(GIVE_BACK);
}

const encodeGiveBack = ({ mode, capability }: Kept): Uint8Array =>
  latin1Bytes(
    [(mode & 0o7777).toString(8), ...Array.from(capability ?? [], (byte) => byte.toString(16).padStart(2, "0"))].join(" "),
  );

function decodeGiveBack(bytes: Uint8Array): Kept {
  const [mode = "", ...capability] = latin1Text(bytes).split(" ");
  return {
    mode: Number.parseInt(mode, 8),
    capability: capability.length > 0 ? Uint8Array.from(capability, (byte) => Number.parseInt(byte, 16)) : undefined,
  };
}

/** Also a file that must not be changed follows its owner. */
function unlocked(file: WalkedFile, change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== ERRNO.notPermitted) throw error;
    const flags = file.flags();
    if ((flags & LOCKED) === 0) throw error;
    file.setFlags(flags & ~LOCKED);
    try {
      change();
    } finally {
      file.setFlags(flags);
    }
  }
}

const writeIds = (sys: Sys, ids: PersistentIds): void => replaceWhole(sys, IDS_PATH, encodeIds(ids));

function startAnew(sys: Sys, path: string, image: Accounts): void {
  sys.log("error", `persistent files may have wrong owners: ${path} is damaged, and begun anew with this image's ids`);
  writeIds(sys, firstIds(image));
}

function warnOfNewer(sys: Sys, path: string, format: number): void {
  sys.log("error", `persistent files may have wrong owners: ${path} is of newer software (format ${format}), and left alone`);
}
