import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "../../../../tests/support/compile-cases.ts";
import { fakeSys } from "../../../initrd/fake-sys.ts";
import { layEntries, onlyIn } from "../../../initrd/lay-entries.ts";
import { mergeAccounts } from "../../../layout/merge-accounts.ts";
import { ownerNames } from "../../../layout/owner-names.ts";
import type { NodeConfig } from "../node-config.ts";
import { SPACED } from "./fake-certificates.ts";
import { fakeContainer, fakeFile, fakeUnit, fakeUser } from "./fake-config.ts";
import { alpine, debian, fedora } from "./fake-image.ts";
import type { ImageView } from "./image-view.ts";

const MUCH: Partial<NodeConfig> = {
  ...{ hostname: "web-1", manageEtcHosts: true, sshPasswords: false, timezone: "Europe/Berlin", locale: "C.UTF-8" },
  ...{ environment: { A: "b" }, sysctl: { a: "1" }, authorizedKeys: ["ssh-rsa A"] },
  users: [fakeUser("alice", { groups: ["adm", "deploy"], authorizedKeys: ["ssh-rsa A"] })],
  certificates: { removeDefaults: true, trusted: [SPACED] },
  files: [
    fakeFile("/etc/app/conf.d/a", { owner: "alice:deploy" }),
    fakeFile("/etc/hosts", { append: true }),
    fakeFile("/home/alice/.config/app/x", { owner: "alice" }),
    fakeFile("/var/lib/app/state"),
  ],
};

function mirrored(view: ImageView): ReturnType<typeof fakeSys> {
  const sys = fakeSys();
  const copy = (path: string): void => {
    for (const name of view.list(path === "" ? "/" : path)) {
      const here = `${path}/${name}`;
      const node = view.find(here, "keep")?.node;
      if (node === "file") sys.files.set(`/sysroot${here}`, view.read(here) ?? "");
      else if (node === "folder") {
        sys.files.set(`/sysroot${here}`, undefined);
        copy(here);
      } else if (node) sys.makeLink(`/sysroot${here}`, node.link);
    }
  };
  sys.files.set("/sysroot", undefined);
  copy("");
  return sys;
}

for (const [name, view, more] of [
  ["Debian", debian(), { units: [fakeUnit("ssh.service", { enabled: false })], containers: [fakeContainer("a")] }],
  ["Fedora", fedora(), { ntp: { enabled: true, servers: ["a"], pools: [] }, containers: [fakeContainer("a")] }],
  ["Alpine", alpine(), { units: [fakeUnit("sshd", { enabled: false })] }],
] as const) {
  test(`${name}: the initrd lays down all that a config comes to, and a second time nothing`, () => {
    const { compiled } = compile({ ...MUCH, ...more }, view);
    const texts = { passwd: view.read("/etc/passwd")!, group: view.read("/etc/group")!, shadow: "" };
    const merged = mergeAccounts(texts, compiled.accounts, { user: new Map(), group: new Map() });
    assert.deepEqual(merged.notes, []);
    assert.deepEqual(
      merged.homes.map(({ path }) => path),
      ["/home/alice"],
    );
    const names = ownerNames(merged.texts.passwd!, merged.texts.group!);
    const sys = mirrored(view);
    const notes: string[] = [];
    const lay = (): void => {
      const root = { root: "/sysroot", makeIn: ["/etc", "/var"], follow: true, names, refusal: onlyIn(["/etc", "/var"]) };
      layEntries(
        sys,
        compiled.entries.filter(({ when }) => when === "root"),
        root,
        notes,
      );
      const folders = [...view.persistent, "/usr/local", "/oem"];
      const data = { root: "", makeIn: folders, follow: false, names, refusal: onlyIn(folders) };
      layEntries(
        sys,
        compiled.entries.filter(({ when }) => when === "data"),
        data,
        notes,
      );
    };
    for (const mounted of ["/home", "/usr", "/usr/local"]) sys.files.set(mounted, undefined);
    sys.done.length = 0;
    lay();
    assert.deepEqual(notes, []);
    for (const { path, when, what } of compiled.entries) {
      const at = when === "root" ? `/sysroot${path}` : path;
      assert.equal(sys.exists(at), what.is !== "gone", path);
      if (what.is === "file" && !what.append && "text" in what.content) assert.equal(sys.readText(at), what.content.text);
    }
    assert.ok(sys.done.some((line) => line.startsWith("own /sysroot/etc/app/conf.d/a")));
    sys.done.length = 0;
    lay();
    assert.deepEqual(notes, []);
    assert.deepEqual(
      sys.done.filter((line) => !line.startsWith("read")),
      [],
    );
  });
}
