import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compile, testMade, testRefused, tolerantly } from "../../../../tests/support/compile-cases.ts";
import { fakeFile, fakeStep, fakeUser } from "./fake-config.ts";
import { debian } from "./fake-image.ts";

testMade([
  [
    "a file and the folders above it",
    "debian",
    { files: [fakeFile("/etc/app/conf.d/a.conf"), fakeFile("/srv/www/index.html")] },
    {
      "/etc/app": "folder",
      "/etc/app/conf.d": "folder",
      "/etc/app/conf.d/a.conf": "text\n",
      "/srv": undefined,
      "/srv/www": "folder",
    },
  ],
  [
    "a line at the end of what another key makes",
    "debian",
    { hostname: "a", manageEtcHosts: true, files: [fakeFile("/etc/hosts", { append: true, content: { text: "10.0.0.1 b\n" } })] },
    { "/etc/hosts": /127\.0\.1\.1 a\n10\.0\.0\.1 b\n$/ },
  ],
  [
    "a line that was written in Base64",
    "debian",
    {
      files: [
        fakeFile("/etc/hosts", { append: true, content: { base64: "MTAuMC4wLjEgYgo=" } }),
        fakeFile("/etc/hosts", { append: true }),
      ],
    },
    { "/etc/hosts": "10.0.0.1 b\ntext\n" },
  ],
]);

testRefused([
  [
    "a file of the image",
    { files: [fakeFile("/usr/bin/tool")] },
    /^write_files\[\/usr\/bin\/tool\]: .*read-only: put it in the recipe$/,
  ],
  [
    "a file of the image by another name",
    { files: [fakeFile("/bin/tool")] },
    /\/bin\/tool is \/usr\/bin\/tool on this image, which is part of the image/,
  ],
  [
    "the accounts themselves",
    { files: [fakeFile("/etc/shadow")] },
    /made at each boot from the image and the keys users and groups/,
  ],
  ["the fstab", { files: [fakeFile("/etc/fstab", { append: true })] }, /fstab is made at each boot by petrify/],
  [
    "petrify's own folder",
    { files: [fakeFile("/oem/petrify/config/1/compiled")] },
    /lies in \/oem\/petrify, which is petrify's own/,
  ],
  [
    "petrify's own folder by a link",
    { files: [fakeFile("/etc/x/config")] },
    /lies in \/oem\/petrify/,
    { "/etc/x": { link: "/oem/petrify" } },
  ],
  ["a path that climbs", { files: [fakeFile("/etc/../usr/x")] }, /is no absolute path/],
  ["a path of two lines", { files: [fakeFile("/etc/a\nb")] }, /characters/],
  ["a file in a file", { files: [fakeFile("/etc/hosts/x")] }, /on its way the image has a file/],
  [
    "a file in a file of the config",
    { files: [fakeFile("/etc/new"), fakeFile("/etc/new/x")] },
    /lies in \/etc\/new, which write_files/,
  ],
  [
    "a file that has to be a folder",
    { files: [fakeFile("/etc/new/x"), fakeFile("/etc/new")] },
    /has to be a folder for write_files/,
  ],
  ["a file where the image has a folder", { files: [fakeFile("/etc/sudoers.d")] }, /is a folder on this image/],
  ["a file that grows at each boot", { files: [fakeFile("/srv/log", { append: true })] }, /would grow/],
  ["a file that another key makes", { hostname: "a", files: [fakeFile("/etc/hostname")] }, /is what hostname makes, too/],
  [
    "bytes at the end of a text",
    { files: [fakeFile("/etc/hosts", { append: true, content: { base64: "/w==" } })] },
    /only text can be added/,
  ],
  ["an owner that is nowhere", { files: [fakeFile("/etc/x", { owner: "deploy:deploy" })] }, /\.owner: deploy is no user/],
]);

const anyPath = fc
  .array(fc.constantFrom("etc", "var", "usr", "home", "run", "oem", "petrify", "..", "a", "b", "ssl", "x\n", "lib", ""), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => `/${parts.join("/")}`);

test("whatever files are asked for: one entry a path, folders before what is in them, nothing outside of what can be written", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyPath, fc.boolean()), { maxLength: 12 }), (paths) => {
      const files = paths.map(([path, append]) => fakeFile(path, { append }));
      const view = debian({ "/etc/a": { link: "../usr/share" }, "/etc/b": { link: "/var/lib" } });
      const { compiled } = tolerantly({ files }, view);
      const seen = new Set<string>();
      for (const { path, when } of compiled.entries) {
        assert.ok(!seen.has(path), `${path} twice`);
        const parent = path.slice(0, path.lastIndexOf("/"));
        assert.ok(seen.has(parent) || view.has(parent) || /^\/(?:oem|home|usr\/local)/.test(parent), `${path} before its folder`);
        seen.add(path);
        assert.match(path, when === "root" ? /^\/(?:etc|var)\/[^/]/ : /^\/(?:home|oem)\/[^/]/);
        assert.doesNotMatch(path, /\.\.|\n|^\/oem\/petrify/);
      }
    }),
    { numRuns: 300 },
  );
});

test("a folder on the way is made where there is none, and otherwise left as it is; one that is asked for is as it is asked for", () => {
  const step = fakeStep("one", { directories: [{ path: "/var/lib/asked", mode: 0o750, owner: "alice" }] });
  const compilation = compile({
    users: [fakeUser("alice")],
    files: [fakeFile("/etc/app/x"), fakeFile("/home/alice/.config/x", { owner: "alice" }), fakeFile("/var/lib/asked/x")],
    stages: { rootfs: [step] },
  });
  const folders = compilation.compiled.entries.flatMap(({ path, owner, what }) =>
    what.is === "folder" ? [{ path, owner, ...what }] : [],
  );
  assert.deepEqual(folders, [
    { path: "/etc/app", owner: "root:root", is: "folder", mode: 0o755, keep: true },
    { path: "/home/alice", owner: "alice:alice", is: "folder", mode: 0o700, keep: true },
    { path: "/home/alice/.config", owner: "alice:alice", is: "folder", mode: 0o700, keep: true },
    { path: "/var/lib/asked", owner: "alice:alice", is: "folder", mode: 0o750 },
  ]);
});
