import assert from "node:assert/strict";
import { chmod, mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TreeEntry } from "../layout/compiled-config.ts";
import { ownerNames } from "../layout/owner-names.ts";
import { differenceOf } from "./tree-state.ts";

const [uid, gid] = [process.getuid!(), process.getgid!()];
const NAMES = ownerNames(`me:x:${uid}:${gid}::/:\n`, `us:x:${gid}:\n`);
const entry = (path: string, what: TreeEntry["what"], owner = "me:us"): TreeEntry => ({ path, when: "root", owner, what });
const file = (text: string, more: object = {}): TreeEntry["what"] => ({ is: "file", mode: 0o640, content: { text }, ...more });

const CASES: readonly (readonly [what: string, entry: TreeEntry, difference: string | undefined])[] = [
  ["a file as it is", entry("/f", file("äb\n")), undefined],
  [
    "the same in Base64",
    entry("/f", { is: "file", mode: 0o640, content: { base64: Buffer.from("äb\n").toString("base64") } }),
    undefined,
  ],
  ["other bytes of the same length", entry("/f", file("äc\n")), "has other content"],
  ["another length", entry("/f", file("äb")), "has other content"],
  ["another mode", entry("/f", { is: "file", mode: 0o600, content: { text: "äb\n" } }), "has the mode 0640"],
  ["another owner", entry("/f", file("äb\n"), `${uid + 1}:${gid}`), `belongs to ${uid}:${gid}`],
  ["a text that is added to it, and is there", entry("/f", file("b\n", { append: true })), undefined],
  ["a text that is added to it, and is not there", entry("/f", file("c\n", { append: true })), "lacks what is added to it"],
  ["a file that is not there", entry("/none/f", file("")), "is not there"],
  ["a file in place of a folder", entry("/f", { is: "folder", mode: 0o700 }), "is a file"],
  ["a folder as it is", entry("/d", { is: "folder", mode: 0o700 }), undefined],
  ["a folder that only has to be there", entry("/d", { is: "folder", mode: 0o755, keep: true }), undefined],
  ["a folder in place of a link", entry("/d", { is: "link", to: "/f" }), "is a folder"],
  ["a link as it is", entry("/l", { is: "link", to: "/nowhere" }), undefined],
  ["a link that leads elsewhere", entry("/l", { is: "link", to: "/f" }), "leads elsewhere"],
  ["what is hidden, and is gone", entry("/none", { is: "gone" }), undefined],
  ["what is hidden, and is there", entry("/l", { is: "gone" }), "is there"],
];
for (const [what, wanted, difference] of CASES) {
  test(`the state of a path: ${what}`, async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-tree-"));
    await writeFile(join(dir.path, "f"), "äb\n");
    await chmod(join(dir.path, "f"), 0o640);
    await mkdir(join(dir.path, "d"), { mode: 0o700 });
    await symlink("/nowhere", join(dir.path, "l"));
    assert.equal(await differenceOf(wanted, NAMES, dir.path), difference);
  });
}
