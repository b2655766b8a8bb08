import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { smallSystem } from "../../tests/support/small-system.ts";
import { testTools } from "../../tests/support/tools.ts";
import { treeImage } from "../../tests/support/tree-image.ts";
import { currentCaller } from "../host/caller.ts";
import { run } from "../host/run.ts";
import type { Tools } from "../host/tools.ts";
import { openSystemImage, type InspectContext } from "./open-image.ts";
import { packagesOf } from "./packages.ts";
import { sbomOf } from "./sbom.ts";

let tools: Tools;
let containerTools: Tools;
before(async () => {
  tools = await testTools();
  containerTools = await testTools("containers");
});

const SPEC = `Name: demo
Epoch: 3
Version: 1.4
Release: 2.fc41
Summary: A package
License: GPL-2.0-or-later AND MIT
Packager: Somebody <somebody@example.org>
BuildArch: noarch
Provides: other = 1
Requires: /bin/sh

%description
A package.

%package -n lib++
Summary: Another
License: Public Domain
%description -n lib++
Another.

%files
%files -n lib++
`;

/** A database as rpm itself makes it, with two packages that rpm itself has built. */
async function database(folder: string, backend: string): Promise<string> {
  await writeFile(join(folder, "demo.spec"), SPEC);
  const db = join(folder, `db-${backend}`);
  await mkdir(db);
  const options = { binds: [{ source: folder, target: "/tmp/work", writable: true }] };
  const rpm = ["--define", "_topdir /tmp/work/build", "--define", "_tmppath /tmp"] as const;
  await containerTools.run(["rpmbuild", ...rpm, "-bb", "/tmp/work/demo.spec"], options);
  const built = (await readdir(join(folder, "build/RPMS/noarch"))).map((name) => `/tmp/work/build/RPMS/noarch/${name}`);
  const define = ["--define", `_db_backend ${backend}`, "--dbpath", `/tmp/work/db-${backend}`] as const;
  await containerTools.run(["rpm", ...define, "--install", "--justdb", "--nodeps", "--noscripts", ...built], options);
  return db;
}

for (const [backend, place] of [
  ["sqlite", "usr/lib/sysimage/rpm"],
  ["ndb", "var/lib/rpm"],
] as const) {
  test(`rpm's database (${backend}, in /${place}) is read`, async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-rpm-"));
    const db = await database(dir.path, backend);
    const files = await Promise.all(
      (await readdir(db)).map(async (name) => ({ path: `${place}/${name}`, data: await readFile(join(db, name)) })),
    );
    const os = smallSystem.filter(({ path }) => path.includes("os-release"));
    const fedora = { path: "usr/lib/os-release", data: "ID=fedora\nVERSION_ID=41\n" };
    const path = join(dir.path, "image");
    await treeImage(tools, [...os.filter((one) => one.path !== fedora.path), fedora, ...files], path);
    const context: InspectContext = {
      ...{ tools: () => assert.fail("not compressed"), containerTools: async () => await Promise.resolve(containerTools) },
      ...{ caller: currentCaller(), run, cacheFolder: dir.path, signal: undefined },
    };
    {
      await using image = await openSystemImage(path, context);
      const { packages, databases } = await packagesOf(image, context);
      assert.deepEqual(databases, [{ kind: "rpm", path: `/${place}` }]);
      assert.deepEqual(packages, [
        {
          ...{ kind: "rpm", name: "demo", version: "1.4-2.fc41", epoch: 3, architecture: "noarch" },
          source: { name: "demo", version: "1.4-2.fc41" },
          ...{ licence: "GPL-2.0-or-later AND MIT", maintainer: "Somebody <somebody@example.org>" },
          ...{ depends: [["/bin/sh"]], provides: ["demo", "other"] },
        },
        {
          ...{ kind: "rpm", name: "lib++", version: "1.4-2.fc41", epoch: 3, architecture: "noarch" },
          source: { name: "demo", version: "1.4-2.fc41" },
          ...{ licence: "Public Domain", maintainer: "Somebody <somebody@example.org>", depends: [], provides: ["lib++"] },
        },
      ]);
      const { components } = (await sbomOf(image, "cyclonedx", context)) as {
        components: { purl?: string; licenses?: unknown }[];
      };
      assert.equal(components[2]!.purl, "pkg:rpm/fedora/lib%2B%2B@1.4-2.fc41?arch=noarch&distro=fedora-41&epoch=3&upstream=demo");
      assert.deepEqual(components[1]!.licenses, [{ expression: "GPL-2.0-or-later AND MIT" }]);
    }
    assert.deepEqual(await readdir(join(dir.path, "work")), [], "nothing is left in the work folder");
  });
}
