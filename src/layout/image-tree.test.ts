import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { resolveInTree, type ImageTree, type TreeNode } from "./image-tree.ts";

const NODES: Readonly<Record<string, TreeNode>> = {
  "/etc": "folder",
  "/etc/hosts": "file",
  "/etc/ssl": "folder",
  "/etc/ssl/cert.pem": { link: "certs/all.crt" },
  "/etc/ssl/certs": "folder",
  "/etc/ssl/certs/all.crt": "file",
  "/etc/up": { link: "../../../../etc/hosts" },
  "/etc/out": { link: "/run/x" },
  "/etc/loop": { link: "loop" },
  "/etc/a": { link: "b" },
  "/etc/b": { link: "/etc/a" },
  "/lib": { link: "usr/lib" },
  "/usr": "folder",
  "/usr/lib": "folder",
  "/usr/lib/os-release": "file",
};
const tree: ImageTree = { at: (path) => NODES[path], text: () => undefined, names: () => [] };

for (const [what, path, last, expected] of [
  ["a file is where it is", "/etc/hosts", "follow", "/etc/hosts file"],
  ["a link at the end is followed", "/etc/ssl/cert.pem", "follow", "/etc/ssl/certs/all.crt file"],
  ["or it is not", "/etc/ssl/cert.pem", "keep", "/etc/ssl/cert.pem link"],
  ["a folder that is a link is followed all the same", "/lib/os-release", "keep", "/usr/lib/os-release file"],
  ["nothing is above the image", "/etc/up", "follow", "/etc/hosts file"],
  ["what is not there could be made where it leads", "/lib/new/file", "keep", "/usr/lib/new/file nothing"],
  ["an absolute link begins at the image's root", "/etc/out/y", "keep", "/run/x/y nothing"],
  ["a file has nothing in it", "/etc/hosts/x", "keep", "nowhere"],
  ["a link to itself leads nowhere", "/etc/loop", "follow", "nowhere"],
  ["nor do two that name one another", "/etc/a/x", "keep", "nowhere"],
  ["the root is a folder", "/", "follow", "/ folder"],
] as const) {
  test(`a path in an image: ${what}`, () => {
    const found = resolveInTree(tree, path, last);
    const node = found?.node;
    const is = node === undefined ? "nothing" : typeof node === "object" ? "link" : node;
    assert.equal(found ? `${found.path} ${is}` : "nowhere", expected);
  });
}

test("no path leaves the image, and none is followed forever", () => {
  const part = fc.constantFrom("..", ".", "a", "b", "c", "");
  const target = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/") || "/");
  const links = fc.dictionary(fc.constantFrom("/a", "/b", "/a/b", "/a/c", "/b/c"), target);
  fc.assert(
    fc.property(links, fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 5 }), (made, parts) => {
      const fake: ImageTree = { ...tree, at: (path) => (made[path] === undefined ? "folder" : { link: made[path] }) };
      const found = resolveInTree(fake, `/${parts.join("/")}`, "follow");
      if (found) assert.match(found.path, /^\/$|^(?:\/[abc])+$/);
    }),
  );
});
