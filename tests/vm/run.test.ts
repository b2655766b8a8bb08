import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, join, resolve } from "node:path";
import { suite, test } from "node:test";
import { CACHE, petrify, workspace, type CliEvent, type Workspace } from "../support/cli.ts";
import { linkOrCopy } from "../support/link-or-copy.ts";
import { takeCore } from "../support/turns.ts";
import { convertDisk } from "../../src/build/disk-format.ts";
import { sha256File } from "../../src/host/files.ts";
import { inTurn, oneOf } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");
const events = (all: readonly CliEvent[], type: string): readonly CliEvent[] => all.filter((event) => event.type === type);

/** Work folders of processes that are no more. */
async function leftBehind(): Promise<string[]> {
  const names = (await readdir(join(CACHE, "vm"))).filter((name) => /^\d+-/.test(name));
  const alive = await Promise.all(
    names.map(async (name) => await readFile(`/proc/${name.split("-")[0]}/comm`).catch(() => undefined)),
  );
  return names.filter((_, index) => alive[index] === undefined);
}

/** The file under a path that no other test's machine has. */
async function ownPath(path: string, at: Workspace): Promise<string> {
  const own = join(at.folder, basename(path));
  await linkOrCopy(path, own);
  return own;
}

/** Processes that run QEMU on this file. */
async function machinesOn(path: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes("qemu-system-x86_64") && line.includes(path));
}

suite("petrify run", { concurrency: 2 }, () => {
  test("boots an image, says when it has booted, and ends it on an interrupt without a trace", async () => {
    const made = await fixture();
    await using elsewhere = await workspace();
    await using user = await workspace();
    const image = await ownPath(made.image, elsewhere);
    await using _ = await takeCore();
    const { exitCode, events: all } = await petrify(["run", image, "--headless", "--json"], {
      cwd: user.folder,
      onEvent: (event, interrupt) => {
        if (event.type === "booted") interrupt();
      },
    });
    const [started] = events(all, "started");
    assert.ok(["kvm", "tcg"].includes(started!["accelerator"] as string) && started!["reason"]);
    assert.ok((events(all, "booted")[0]!["seconds"] as number) > 0);
    assert.equal(events(all, "error")[0]!["code"], "INTERRUPTED");
    assert.equal(exitCode, 130);
    assert.deepEqual(await leftBehind(), []);
    assert.deepEqual(await machinesOn(image), []);
    assert.deepEqual(await readdir(user.folder), []);
  });

  for (const format of oneOf(["vmdk", "vhdx", "qcow2"] as const)) {
    test(`boots a disk as ${format}, and leaves the file as it is`, { skip: inTurn(1) }, async () => {
      const made = await fixture();
      await using user = await workspace({ "disk.converted": "" });
      const disk = join(user.folder, "disk.converted"); // told by its content, not by its name
      await using _ = await takeCore();
      await convertDisk(made.host.tools, made.disk, format, disk);
      const before = await sha256File(disk);
      const { events: all, stdout } = await petrify(["run", disk, "--headless", "--json"], {
        cwd: user.folder,
        onEvent: (event, interrupt) => {
          if (event.type === "booted") interrupt();
        },
      });
      assert.equal(events(all, "booted").length, 1, stdout);
      assert.equal(await sha256File(disk), before);
      assert.deepEqual(await machinesOn(disk), []);
    });
  }

  test("shows the console on a terminal, and Ctrl-C ends the machine", async () => {
    const made = await fixture();
    await using user = await workspace();
    const disk = await ownPath(made.disk, user);
    await using _ = await takeCore();
    const command = [process.execPath, MAIN, "run", disk].join(" ");
    const terminal = spawn("/usr/bin/script", ["--quiet", "--return", "--flush", "--command", command, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let text = "";
    terminal.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const before = text;
      text += chunk;
      if (/slot a \(rule 2/.test(text) && !/slot a \(rule 2/.test(before)) terminal.stdin.write("\u0003");
    });
    const [code] = (await once(terminal, "close")) as [number];
    assert.equal(code, 0, text);
    assert.match(text, /Ctrl-C ends the machine/);
    assert.match(text, /the machine has ended/);
    assert.deepEqual(await machinesOn(disk), []);
  });

  test("a port that is in use is refused with a hint", async () => {
    const { disk } = await fixture();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    try {
      const { exitCode, events: all } = await petrify(["run", disk, "--json", "--forward", `${port}:22`], { cwd: "/" });
      assert.equal(exitCode, 1);
      const [error] = events(all, "error");
      assert.equal(error!["code"], "PORT_IN_USE");
      assert.match(String(error!["message"]), new RegExp(`port ${port} `));
      assert.match(String(error!["hint"]), /--forward/);
      assert.deepEqual(await leftBehind(), []);
    } finally {
      server.close();
    }
  });

  const refused: readonly {
    what: string;
    args: (made: { image: string; disk: string }) => string[];
    exit: number;
    code: string;
  }[] = [
    { what: "a file that is not there", args: () => ["absent.raw"], exit: 1, code: "FILE_UNREADABLE" },
    { what: "a folder", args: () => ["/"], exit: 1, code: "FILE_UNREADABLE" },
    { what: "a file that is no disk", args: () => [MAIN], exit: 1, code: "NOT_BOOTABLE" },
    { what: "an image whose changes are to be kept", args: ({ image }) => [image, "--keep"], exit: 1, code: "KEEP_NEEDS_DISK" },
    { what: "more memory than there is", args: ({ disk }) => [disk, "--memory", "900TiB"], exit: 1, code: "MEMORY_INSUFFICIENT" },
    { what: "a port that is none", args: ({ disk }) => [disk, "--forward", "22:99999"], exit: 2, code: "USAGE" },
    { what: "a size without a unit", args: ({ disk }) => [disk, "--memory", "512"], exit: 2, code: "USAGE" },
  ];
  for (const { what, args, exit, code } of refused) {
    test(`${what} is refused with a hint`, async () => {
      const { exitCode, events: all } = await petrify(["run", "--json", ...args(await fixture())], { cwd: "/" });
      const [error] = events(all, "error");
      assert.deepEqual([exitCode, error?.["code"]], [exit, code]);
      assert.ok(error!["hint"]);
    });
  }
});
