import { chmod, link, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tools } from "../../src/host/tools.ts";
import { tinyTree } from "./tiny-layout.ts";

const CAPABILITY = "0x0100000200200000000000000000000000000000"; // cap_net_raw=ep

/** A tree with everything that an archive could lose: {@link listTree} tells. Only root can make it. */
export async function fullTree(containers: Tools, tools: Tools, folder: string): Promise<void> {
  await mkdir(folder);
  await tinyTree(containers, folder);
  const at = (path: string): string => join(folder, path);
  await mkdir(at("sbin"));
  await mkdir(at("usr/lib/systemd"), { recursive: true });
  await writeFile(at("usr/lib/systemd/systemd"), "an init");
  await symlink("../usr/lib/systemd/systemd", at("sbin/init"));
  await writeFile(at("usr/bin/ping"), "a program");
  await chmod(at("usr/bin/ping"), 0o4755);
  await link(at("usr/bin/ping"), at("usr/bin/ping6"));
  await writeFile(at("acl"), "shared");
  await writeFile(at("owned"), "somebody's");
  await mkdir(at("home/ann"), { recursive: true });
  await writeFile(at("home/ann/file"), "hers");
  const long = `${"a-long-name-".repeat(12)}/`.repeat(3);
  await mkdir(at(long), { recursive: true });
  await writeFile(at(`${long}file`), "deep");
  const options = { binds: [{ source: folder, writable: true }], anyOwner: true };
  await tools.run(["chown", "3000000:70000", at("owned")], options);
  await tools.run(["chown", "--recursive", "1000:1000", at("home/ann")], options);
  await chmod(at("home/ann"), 0o2750);
  await tools.run(["python3", "-c", SET_XATTRS, folder], options);
}
const SET_XATTRS = `
import os, struct, sys
at = lambda p: os.path.join(sys.argv[1], p)
os.setxattr(at("usr/bin/ping"), "security.capability", bytes.fromhex("${CAPABILITY.slice(2)}"))
os.setxattr(at("owned"), "user.note", b"\\x00\\xffbytes\\n")
acl = lambda *entries: struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)
any = 0xffffffff
# After what lies in it, which has not inherited it.
os.setxattr(at("home"), "system.posix_acl_default", acl((1, 7, any), (2, 6, 4242), (4, 5, any), (16, 7, any), (32, 5, any)))
os.setxattr(at("acl"), "system.posix_acl_access", acl((1, 6, any), (2, 4, 4242), (4, 4, any), (16, 4, any), (32, 4, any)))
`;
/** Every entry with its owner, mode, links and attributes, one a line. */
const LIST = `
import hashlib, os, stat, sys
top = sys.argv[1]
for folder, names, files in os.walk(top):
    for name in [""] * (folder == top) + names + files:
        path = os.path.join(folder, name) if name else folder
        s = os.lstat(path)
        what = os.readlink(path) if stat.S_ISLNK(s.st_mode) else hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(s.st_mode) else ""
        attributes = [(n, os.getxattr(path, n, follow_symlinks=False).hex()) for n in sorted(os.listxattr(path, follow_symlinks=False))]
        links = s.st_nlink if stat.S_ISREG(s.st_mode) else 0
        print(os.path.relpath(path, top), oct(s.st_mode), s.st_uid, s.st_gid, links, what, attributes)
`;
export const listTree = async (tools: Tools, folder: string): Promise<string[]> =>
  (await tools.run(["python3", "-c", LIST, folder], { binds: [{ source: folder }], anyOwner: true })).stdout
    .split("\n")
    .toSorted();
