/** What an image is said to have and to start, beside what find(1) and getcap(8) see in its files and what its own systemd says. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { currentCaller } from "../../src/host/caller.ts";
import { openImage } from "../../src/host/image-file.ts";
import { run } from "../../src/host/run.ts";
import type { Tools } from "../../src/host/tools.ts";
import { computeFrom } from "../../src/inspect/compute-from.ts";
import { openSystemImage } from "../../src/inspect/open-image.ts";
import type { Finding, FindingKind } from "../../src/layout/attack-surface/finding.ts";
import { startedUnits } from "../../src/layout/attack-surface/started-units.ts";
import { decodeGpt, PARTITION_TYPES } from "../../src/layout/gpt.ts";
import { unitSet } from "../../src/layout/unit-set.ts";
import { petrify, recipe, workspace } from "../support/cli.ts";
import { smallSystem } from "../support/small-system.ts";
import { testTools } from "../support/tools.ts";
import { treeImage } from "../support/tree-image.ts";
import { tarOf, type TarEntry } from "../support/tree-tar.ts";
import { takeCore } from "../support/turns.ts";

const full = process.env["PETRIFY_TEST"] === "full";
let tools: Tools;
let judges: Tools;
before(async () => {
  tools = await testTools();
  judges = await testTools("config"); // getcap is in it
});

/** Lines of a judge about files; `ROOT` in its arguments is their folder. */
type Judge = (...argv: [string, ...string[]]) => Promise<string[]>;

function judgeOf(root: string, folder: string): Judge {
  const options = { binds: [{ source: folder }], anyOwner: true };
  return async (...argv) => {
    const words = argv.map((word) => word.replace("ROOT", root)) as [string, ...string[]];
    return (await judges.run(words, options)).stdout.split("\n").filter(Boolean).toSorted();
  };
}

/** An image's root file system, with owners; fsck.erofs loses capabilities. */
async function unpacked(image: string, folder: string): Promise<Judge> {
  using file = openImage(image);
  const root = decodeGpt(file.read, file.size, 512).partitions.find(({ type }) => type === PARTITION_TYPES.rootX86)!;
  const at = join(folder, "root");
  const options = { binds: [{ source: folder, writable: true }], anyOwner: true };
  await tools.run(["fsck.erofs", `--offset=${root.start}`, `--extract=${at}`, image], options);
  return judgeOf(at, folder);
}

/** What an image was made of, with capabilities. */
async function asMade(entries: readonly TarEntry[], folder: string): Promise<Judge> {
  const [tar, at] = [join(folder, "files.tar"), join(folder, "made")];
  await writeFile(tar, tarOf(entries));
  await mkdir(at);
  const options = { binds: [{ source: folder, writable: true }], anyOwner: true };
  await tools.run(["tar", "--extract", `--file=${tar}`, `--directory=${at}`, "--xattrs", "--xattrs-include=*"], options);
  return judgeOf(at, folder);
}

async function findingsOf(image: string, cwd: string): Promise<readonly Finding[]> {
  const { events, exitCode, stdout } = await petrify(["inspect", image, "--attack-surface", "--json"], { cwd });
  assert.equal(exitCode, 0, stdout);
  return (events.find(({ type }) => type === "result")!["value"] as { findings: readonly Finding[] }).findings;
}

/** `find` has seen the same as petrify has read. @returns how many findings there are of each kind */
async function compare(judge: Judge, findings: readonly Finding[]): Promise<Record<FindingKind, number>> {
  const of = (kind: FindingKind, text: (finding: Finding) => string): string[] =>
    findings
      .filter((one) => one.kind === kind)
      .map(text)
      .toSorted();
  const owned = ({ name, detail }: Finding): string => `${name} ${detail}`;
  const list = "/%P %m, user %U, group %G\\n";
  assert.deepEqual(of("setuid", owned), await judge("find", "ROOT", "-type", "f", "-perm", "-4000", "-printf", list));
  assert.deepEqual(of("setgid", owned), await judge("find", "ROOT", "-type", "f", "-perm", "-2000", "-printf", list));
  const writable = ["-perm", "-0002", "!", "-type", "l", "!", "-type", "c", "!", "-type", "b", "-printf", "/%P\\n"] as const;
  const inImage = findings.filter(({ kind, detail }) => kind === "worldWritable" && !detail.includes(", of "));
  assert.deepEqual(
    inImage.map(({ name }) => name),
    await judge("find", "ROOT", ...writable),
  );
  const modules = await judge("find", "ROOT/usr/lib/modules", "-type", "f", "-name", "*.ko*", "-printf", "%P\\n");
  assert.deepEqual(
    of("kernelModule", ({ name }) => name),
    modules.map((path) => path.replace(/^[^/]+\//, "").replace(/\.ko\..*/, ".ko")).toSorted(),
  );
  const executable = await judge("find", "ROOT", "-type", "f", "-perm", "/111", "-links", "1", "-printf", "/%P\\n");
  const programs = new Set(of("executable", ({ name }) => name));
  const others = executable.filter((path) => !programs.has(path));
  assert.deepEqual(
    others.filter((path) => !/\.so(\.|$)/.test(path)),
    [],
    "what may be executed and is no program is a library",
  );
  return Object.fromEntries(
    [...new Set(findings.map(({ kind }) => kind))].map((kind) => [kind, of(kind, owned).length]),
  ) as Record<FindingKind, number>;
}

/**
 * What systemd itself would start at boot, by the image's own copy of it. Source: systemd(1), `--test`
 *
 * Slices are left out, which come with what runs in them, mounts, which are there already, and what is started in a container.
 */
async function startedBySystemd(folder: string): Promise<string[]> {
  const root = join(folder, "root");
  const bwrap = ["bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--ro-bind", root, "/"] as const;
  const places = [
    "--ro-bind",
    "/proc",
    "/proc",
    "--ro-bind",
    "/sys",
    "/sys",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "--tmpfs",
    "/run",
  ];
  const environment = ["--setenv", "XDG_RUNTIME_DIR", "/run", "--setenv", "HOME", "/tmp"];
  const systemd = ["/usr/lib/systemd/systemd", "--test", "--system"];
  const argv = [...bwrap, ...places, ...environment, ...systemd] as [string, ...string[]];
  const { stdout } = await tools.run(argv, { binds: [{ source: folder }], anyOwner: true });
  const names = new Set([...stdout.matchAll(/Action: (\S+) -> start$/gm)].map(([, name]) => name!));
  return [...names].filter((name) => isCompared(name) && name !== "console-getty.service").toSorted();
}
const isCompared = (name: string): boolean => /\.(?:service|socket|target|timer|path)$/.test(name);

async function startedByUs(image: string, folder: string): Promise<string[]> {
  const none = async (): Promise<never> => await Promise.reject(new Error("not needed"));
  const context = { tools: none, containerTools: none, caller: currentCaller(), run, signal: undefined, cacheFolder: folder };
  await using opened = await openSystemImage(image, context);
  const started = await computeFrom(opened.tree, 1024 ** 2, (tree) => startedUnits(tree, unitSet(tree)));
  return [...started].flatMap(([name, { by }]) => (by === undefined && isCompared(name) ? [name] : [])).toSorted();
}

const CAPABLE = (hex: string): Pick<TarEntry, "attributes"> => ({
  attributes: { "security.capability": Buffer.from(hex, "hex") },
});

test("modes, owners and capabilities of crafted files are what find and getcap see", async () => {
  await using user = await workspace();
  const files: readonly TarEntry[] = [
    ...smallSystem,
    { path: "usr/bin/group", data: "x", mode: 0o2755, gid: 42 },
    { path: "usr/bin/both", data: "x", mode: 0o6711, uid: 7, gid: 8 },
    { path: "usr/lib/secret", data: "x", mode: 0o4644 },
    { path: "usr/bin/admin", data: "x", mode: 0o755, ...CAPABLE("0100000200300000000000000000000000000000") },
    { path: "usr/bin/inherits", data: "x", mode: 0o755, ...CAPABLE("0100000200000000002000000000000000000000") },
    { path: "usr/bin/bpf", data: "x", mode: 0o755, ...CAPABLE("0000000200000000000000008000000000000000") },
    { path: "srv/all/", mode: 0o777 },
    { path: "srv/sticky/", mode: 0o1777 },
    { path: "srv/file", data: "x", mode: 0o666 },
    { path: "srv/pipe", type: "fifo", mode: 0o622 },
    { path: "dev/null", type: "character", device: [1, 3], mode: 0o666 },
    { path: "usr/lib/modules/6.12.0-test/kernel/net/a.ko", data: "x" },
    { path: "usr/lib/modules/6.12.0-test/kernel/net/b.ko.xz", data: "x" },
  ];
  const image = join(user.folder, "a.img");
  await treeImage(tools, files, image);
  const findings = await findingsOf(image, user.folder);
  const { setuid, setgid, capability, kernelModule } = await compare(await unpacked(image, user.folder), findings);
  const made = await asMade(files, user.folder);
  const capable = findings.filter(({ kind }) => kind === "capability");
  assert.deepEqual(
    capable.map(({ name, detail }) => `${join(user.folder, "made")}${name} ${detail}`),
    await made("getcap", "-r", "ROOT"),
  );
  assert.deepEqual({ setuid, setgid, capability, kernelModule }, { setuid: 3, setgid: 2, capability: 4, kernelModule: 2 });
});

describe("an image of a distribution", { skip: !full && "two builds: only in full runs", timeout: 1_800_000 }, () => {
  test("is said to have what find sees and to start what systemd says, and sealed it has no way in", async () => {
    await using open = await workspace({ "petrify.yaml": recipe("packages: [iputils-ping, openssh-server, sudo]\n") });
    await using sealed = await workspace({
      "petrify.yaml": recipe("profile: sealed\npackages: [iputils-ping, openssh-server]\n"),
    });
    for (const { folder } of [open, sealed]) {
      await using _ = await takeCore();
      const { exitCode, stderr } = await petrify(["build", "--output", "image"], { cwd: folder });
      assert.equal(exitCode, 0, stderr);
    }
    const images = [open, sealed].map(({ folder }) => join(folder, "out/test-0.1.0.img")) as [string, string];
    const [counts] = await Promise.all(
      [open, sealed].map(async ({ folder }, at) => {
        const judge = await unpacked(images[at]!, folder);
        assert.deepEqual(await startedByUs(images[at]!, folder), await startedBySystemd(folder));
        return await compare(judge, await findingsOf(images[at]!, folder));
      }),
    );
    assert.ok(
      counts!.shell === 2 && counts!.setuid >= 10 && counts!.sshServer > 0 && counts!.privilege > 0,
      JSON.stringify(counts),
    );
    const kinds = "shell,packageManager,compiler,debugger,sshServer,sshClient,login,privilege,setuid,setgid,capability,account";
    const { exitCode, stdout } = await petrify(["inspect", images[1], "--attack-surface", "--fail-on", kinds], {
      cwd: sealed.folder,
    });
    assert.equal(exitCode, 0, stdout);
    const diff = await petrify(["diff-image", ...images, "--attack-surface", "--only", kinds, "--fail-on-growth"], {
      cwd: open.folder,
    });
    assert.equal(diff.exitCode, 0, diff.stdout);
    assert.match(diff.stdout, /^shells: 2 → 0$/m);
  });
});
