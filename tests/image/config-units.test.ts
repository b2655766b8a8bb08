import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { fakeContainer, fakeUnit } from "../../src/config/machine/compile/fake-config.ts";
import type { FakeFiles } from "../../src/layout/fake-tree.ts";
import { debian, fedora } from "../../src/config/machine/compile/fake-image.ts";
import type { ImageView } from "../../src/config/machine/compile/image-view.ts";
import type { NodeConfig } from "../../src/config/machine/node-config.ts";
import { compile } from "../support/compile-cases.ts";
import { testTools } from "../support/tools.ts";

const UNITS = "/etc/systemd/system";
const install = (lines: string): string => `[Unit]\nDescription=x\n[Service]\nExecStart=/usr/bin/true\n[Install]\n${lines}\n`;

const IMAGE: FakeFiles = {
  "/usr/lib/systemd/system/basic.target": "",
  "/usr/lib/systemd/system/both.service": install("WantedBy=multi-user.target\nAlso=both.socket\nAlias=other.service"),
  "/usr/lib/systemd/system/both.socket": "[Socket]\nListenStream=1\n[Install]\nWantedBy=sockets.target",
  "/usr/lib/systemd/system/many@.service": install(
    "WantedBy=%i.target multi-user.target\nRequiredBy=basic.target\nAlias=%p-%j@%i.service",
  ),
  "/usr/lib/systemd/system/a-b@.service": install(
    "WantedBy=multi-user.target \\\n  basic.target\nUpheldBy=%N.target\nDefaultInstance=x",
  ),
  "/usr/lib/systemd/system/reset.service": install("WantedBy=no.target\nWantedBy=\nWantedBy=yes.target"),
};

async function lay(root: string, files: FakeFiles): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await (typeof content === "string" ? writeFile(join(root, path), content) : symlink(content.link, join(root, path)));
  }
}

async function linksOf(root: string): Promise<string[]> {
  const entries = await readdir(join(root, UNITS), { recursive: true, withFileTypes: true });
  const links = entries.filter((entry) => entry.isSymbolicLink()).map((entry) => join(entry.parentPath, entry.name));
  return (await Promise.all(links.map(async (path) => `${path.slice(root.length)} -> ${await readlink(path)}`))).sort();
}

const linksCompiled = (about: Partial<NodeConfig>, view: ImageView): string[] =>
  compile(about, view)
    .compiled.entries.flatMap(({ path, what }) => (what.is === "link" ? [`${path} -> ${what.to}`] : []))
    .sort();

suite("what a config's units come to, as systemd's own programs see it", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-units-"));

  for (const name of ["both.service", "both.socket", "many@x.service", "a-b@.service", "a-b@y.service", "reset.service"]) {
    await test(`systemctl enable ${name} makes the same links`, async () => {
      const root = join(folder.path, "enable");
      await rm(root, { recursive: true, force: true });
      await lay(root, { ...IMAGE, [`${UNITS}/.keep`]: "" });
      await tools.run(["systemctl", `--root=${root}`, "enable", name], { binds: [{ source: root, writable: true }] });
      assert.deepEqual(linksCompiled({ units: [fakeUnit(name, { enabled: true })] }, debian(IMAGE)), await linksOf(root));
    });
  }

  await test("systemd-analyze verifies the units that are generated", async () => {
    const { compiled } = compile(
      {
        mounts: [
          { what: "LABEL=data", where: "/var/lib/my-data", type: "auto", options: "noatime,nofail", pass: 2 },
          { what: "nas.example:/x", where: "/mnt", type: "nfs4", options: "ro", pass: 0 },
        ],
        containers: [fakeContainer("app", { environment: { A: '$5 50% " \\' }, command: ["sh", "-c", "echo $HOME 'a b' 5%"] })],
      },
      fedora(),
    );
    const root = join(folder.path, "verify");
    const program = "[Service]\nExecStart=/usr/bin/true\n";
    await lay(root, { "/usr/lib/systemd/system/containerd.service": program, "/usr/bin/nerdctl": "#!/bin/sh\n" });
    const paths: string[] = [];
    for (const { path, what } of compiled.entries) {
      if (what.is !== "file" || !("text" in what.content) || !path.startsWith(UNITS)) continue;
      // The check is for programs of the machine that it runs on.
      await lay(root, {
        [path]: what.content.text
          .replaceAll("/usr/bin/nerdctl", "/usr/bin/true")
          .replaceAll("containerd.service", "basic.target"),
      });
      paths.push(join(root, path));
    }
    assert.equal(paths.length, 3);
    const { stdout, stderr } = await tools.run(["systemd-analyze", "verify", "--man=no", ...paths], {
      binds: [{ source: root }],
      env: { SYSTEMD_LOG_LEVEL: "notice" },
      okExit: [0, 1],
    });
    assert.equal(stdout + stderr, "");
    assert.match(await readFile(join(root, `${UNITS}/app.service`), "utf8"), /^ExecStart=.* echo|^ExecStart=.*echo/m);
  });
});
