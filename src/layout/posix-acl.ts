/** @portable Access control lists of files, as extended attributes hold them. Source: Linux, include/uapi/linux/posix_acl_xattr.h */
import type { Id } from "./persistent-ids.ts";

/** Of a file, and of a folder for what is made in it. */
export const ACL_ATTRIBUTES: readonly string[] = ["system.posix_acl_access", "system.posix_acl_default"];

const VERSION = 2;
const HEADER = 4;
/** u16 tag, u16 permissions, u32 id. */
const ENTRY = 8;
/** Tags whose entries name somebody; the others have no id. */
const USER = 0x02;
const GROUP = 0x08;

/**
 * The same list with other ids; nothing where none of its ids changes, or where it is no list that is known here. Never throws.
 *
 * @param users what becomes of a user's id @param groups of a group's
 */
export function aclWithIds(acl: Uint8Array, users: ReadonlyMap<Id, Id>, groups: ReadonlyMap<Id, Id>): Uint8Array | undefined {
  const view = new DataView(acl.buffer, acl.byteOffset, acl.length);
  if (acl.length < HEADER || (acl.length - HEADER) % ENTRY !== 0 || view.getUint32(0, true) !== VERSION) return undefined;
  let changed = false;
  const entries: { tag: number; permissions: number; id: Id }[] = [];
  for (let at = HEADER; at < acl.length; at += ENTRY) {
    const [tag, permissions, id] = [view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint32(at + 4, true)];
    const other = (tag === USER ? users : tag === GROUP ? groups : undefined)?.get(id);
    if (other !== undefined) changed = true;
    entries.push({ tag, permissions, id: other ?? id });
  }
  if (!changed) return undefined;
  const result = new Uint8Array(acl.length);
  const out = new DataView(result.buffer);
  out.setUint32(0, VERSION, true);
  // Sorted as acl(5) has it: by tag, then by id.
  for (const [n, { tag, permissions, id }] of entries.toSorted((a, b) => a.tag - b.tag || a.id - b.id).entries()) {
    const at = HEADER + n * ENTRY;
    out.setUint16(at, tag, true);
    out.setUint16(at + 2, permissions, true);
    out.setUint32(at + 4, id, true);
  }
  return result;
}
