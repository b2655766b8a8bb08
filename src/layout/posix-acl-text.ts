/** @portable Access control lists as archives write them, in the form that the kernel takes. Source: acl(5); Linux, include/uapi/linux/posix_acl_xattr.h */

const TAGS = { owner: 0x01, user: 0x02, owningGroup: 0x04, group: 0x08, mask: 0x10, other: 0x20 } as const;
const NO_ID = 0xffff_ffff;
const MOST = 1000;

/**
 * Entries such as `user::rw-` and `user:1000:r-x`, one a line or with commas between; star's `user:joe:r-x:1000` has the id at its end.
 *
 * @returns the bytes of `system.posix_acl_access`; nothing for an empty list; or what is wrong with it
 */
export function aclOfText(text: string): Uint8Array | undefined | string {
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean);
  if (lines.length === 0) return undefined;
  if (lines.length > MOST) return `has more than ${MOST} entries`;
  const entries: { tag: number; permissions: number; id: number }[] = [];
  for (const line of lines) {
    const match = /^(user|u|group|g|mask|m|other|o):([^:]*):([r-][w-][x-])(?::(\d{1,10}))?$/.exec(line);
    if (!match) return `has an entry that cannot be read: ${JSON.stringify(line.slice(0, 80))}`;
    const [, kind = "", who = "", rights = "", written] = match;
    const named = who !== "" || written !== undefined;
    const number = written ?? who;
    const id = named ? Number(number) : NO_ID;
    if (named && (!/^\d{1,10}$/.test(number) || id >= NO_ID)) {
      return `names ${JSON.stringify(who.slice(0, 80))} and not a number: pack with \`tar --numeric-owner\``;
    }
    if (named && /^[mo]/.test(kind)) return `has an entry that cannot be read: ${JSON.stringify(line.slice(0, 80))}`;
    const tag = kind.startsWith("u")
      ? named
        ? TAGS.user
        : TAGS.owner
      : kind.startsWith("g")
        ? named
          ? TAGS.group
          : TAGS.owningGroup
        : kind.startsWith("m")
          ? TAGS.mask
          : TAGS.other;
    const permissions = Array.from(rights).reduce((bits, right, index) => (right === "-" ? bits : bits | (4 >> index)), 0);
    entries.push({ tag, permissions, id });
  }
  const bytes = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 2, true);
  for (const [index, { tag, permissions, id }] of entries.toSorted((a, b) => a.tag - b.tag || a.id - b.id).entries()) {
    view.setUint16(4 + 8 * index, tag, true);
    view.setUint16(6 + 8 * index, permissions, true);
    view.setUint32(8 + 8 * index, id, true);
  }
  return bytes;
}
