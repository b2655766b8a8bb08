import assert from "node:assert/strict";
import { lstat, mkdir, mkdtempDisposable, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite, test } from "node:test";
import { AppError } from "../../core/error.ts";
import { sha256File } from "../../host/files.ts";
import { socketFolder } from "../../host/socket-folder.ts";
import { serveLocally, type LocalRoutes } from "../../host/unix-http.ts";
import { serveStreams } from "../../host/unix-stream.ts";
import { encodeNamedVm, VM_FILES, type NamedVm } from "../../vm/named-vm.ts";
import { lockVm } from "../../vm/vm-lock.ts";
import { runForTest, type Ran } from "../testing.ts";

/** A user's home with a VM `web` that was made of `disk.img`. */
async function home(): Promise<{ readonly path: string; readonly folder: string; readonly vms: string } & AsyncDisposable> {
  const dir = await mkdtempDisposable(join(tmpdir(), "petrify-vms-"));
  const disk = join(dir.path, "disk.img");
  const sector = new Uint8Array(512);
  sector.set([0x55, 0xaa], 510);
  await writeFile(disk, sector);
  const vms = join(dir.path, ".local/state/petrify/vms");
  const folder = join(vms, "web");
  await mkdir(folder, { recursive: true });
  const vm: NamedVm = {
    ...{ format: 1, name: "web", source: { path: disk, sha256: await sha256File(disk) }, disk: { format: "raw" } },
    ...{ firmware: "bios", memory: 1024 ** 3, cpus: 1, forwards: [{ host: 8080, guest: 80 }], online: false },
  };
  await writeFile(join(folder, VM_FILES.description), encodeNamedVm(vm));
  await writeFile(join(folder, "disk.raw"), sector);
  return { path: dir.path, folder, vms, [Symbol.asyncDispose]: async () => await dir.remove() };
}

const RUNNING = { pid: 4711, uptime: 62, accelerator: "tcg", reason: "as asked for" };

/** What a supervisor is to a command: a lock and two sockets, until it is told to end or the scope ends. */
async function running(
  folder: string,
  { hearsButton = true, health = [] as readonly object[] } = {},
): Promise<{ readonly heard: string[] } & AsyncDisposable> {
  const heard: string[] = [];
  const scope = new AsyncDisposableStack();
  scope.use(await lockVm("web", folder, new AbortController().signal));
  const sockets = scope.use(await socketFolder(folder));
  scope.use(
    await serveStreams(sockets.at(VM_FILES.stream), (stream) => {
      stream.send("web login: ");
      stream.onText((text) => {
        heard.push(text);
        void stream[Symbol.asyncDispose]();
      });
    }),
  );
  let asked = 0;
  let ended: Promise<void> | undefined;
  const end = async (what: string, really: boolean): Promise<object> => {
    heard.push(what);
    if (really) ended = scope.disposeAsync();
    return {};
  };
  const routes: LocalRoutes = {
    "GET /vm": async () => RUNNING,
    "GET /status": async () => {
      const next = health[Math.min(asked++, health.length - 1)];
      if (!next) throw new AppError("AGENT_ABSENT", "the machine's agent has not come up yet");
      return { health: next };
    },
    "POST /power-button": async () => await end("power-button", hearsButton),
    "POST /end": async () => await end("end", true),
  };
  scope.use(await serveLocally(sockets.at(VM_FILES.control), routes));
  return { heard, [Symbol.asyncDispose]: async () => await (ended ?? scope.disposeAsync()) };
}

const result = ({ out, err }: Ran): Readonly<Record<string, unknown>> => {
  const last = JSON.parse(out.trim().split("\n").at(-1) || "{}") as { type: string; value: Record<string, unknown> };
  assert.equal(last.type, "result", out + err);
  return last.value;
};
const refusal = ({ exitCode, err }: Ran): string => {
  assert.equal(exitCode, 1);
  return err;
};

suite("petrify vm list", () => {
  test("a VM runs when somebody answers for it", async () => {
    await using user = await home();
    await using _ = await running(user.folder);
    const [vm] = result(await runForTest(["vm", "list", "--json"], { cwd: user.path }))["vms"] as Record<string, unknown>[];
    assert.deepEqual([vm!["state"], vm!["pid"], vm!["uptime"]], ["running", 4711, 62]);
  });

  test("a VM whose process was killed is stopped, though its sockets are still there", async () => {
    await using user = await home();
    const [control, aside] = [join(user.folder, VM_FILES.control), join(user.folder, "aside")];
    {
      await using _ = await running(user.folder);
      await rename(control, aside); // so that its end does not remove it
    }
    await rename(aside, control);
    assert.ok((await lstat(control)).isSocket());
    const { out } = await runForTest(["vm", "list"], { cwd: user.path });
    assert.match(out, /^web {3}stopped {2}disk\.img {2}1 GiB {3}1 {5}8080:80 {2}- {4}-$/m);
  });

  test("a description that cannot be read hides no other VM", async () => {
    await using user = await home();
    await mkdir(join(user.vms, "torn"));
    const { out } = await runForTest(["vm", "list"], { cwd: user.path });
    assert.match(out, /^torn {2}unreadable/m);
    assert.match(out, /^web {3}stopped/m);
  });

  test("without any VM it says how to make one", async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-vms-"));
    assert.match((await runForTest(["vm", "list"], { cwd: dir.path })).out, /vm create/);
  });
});

suite("petrify vm create", () => {
  test("a machine config that is not sound is refused with its line, and nothing is made", async () => {
    await using user = await home();
    await writeFile(join(user.path, "node.yaml"), "#cloud-config\nhostname: edge\nhostnam: edge\n");
    const ran = await runForTest(["vm", "create", "edge", "disk.img", "--config", "node.yaml"], { cwd: user.path });
    assert.match(refusal(ran), /node\.yaml:3:1: hostnam: is not a key of a machine config/);
    assert.deepEqual(await readdir(user.vms), ["web"]);
  });

  test("the same VM a second time changes nothing", async () => {
    await using user = await home();
    const again = await runForTest(["vm", "create", "web", "disk.img", "--forward", "8080:80", "--json"], { cwd: user.path });
    assert.equal(result(again)["changed"], false);
  });

  test("another VM of the same name is refused, and says what differs", async () => {
    await using user = await home();
    const err = refusal(await runForTest(["vm", "create", "web", "disk.img", "--cpus", "2"], { cwd: user.path }));
    assert.match(err, /there is a VM web already, and it differs in: --cpus, --forward\nhint: .*vm delete web/);
  });

  test("a name that leads elsewhere is refused before anything is read", async () => {
    await using user = await home();
    assert.match(refusal(await runForTest(["vm", "create", "../web", "absent"], { cwd: user.path })), /cannot be the name/);
  });
});

suite("petrify vm start", () => {
  test("a VM that runs is left as it is", async () => {
    await using user = await home();
    await using _ = await running(user.folder);
    const { changed, pid } = result(await runForTest(["vm", "start", "web", "--json"], { cwd: user.path }));
    assert.deepEqual([changed, pid], [false, 4711]);
  });

  test("--wait waits until the agent says that the machine is healthy", async () => {
    await using user = await home();
    const health = [
      { is: "starting", checks: [] },
      { is: "healthy", checks: [] },
    ];
    await using _ = await running(user.folder, { health });
    const { out, exitCode } = await runForTest(["vm", "start", "web", "--wait"], { cwd: user.path });
    assert.deepEqual([exitCode, out], [0, "the VM web runs already, and is healthy\n"]);
  });

  const late: readonly [what: string, health: readonly object[], says: RegExp][] = [
    ["has no agent", [], /its agent has not come up/],
    ["is unhealthy", [{ is: "unhealthy", checks: [{ name: "web", ok: false, reason: "refused" }] }], /web: refused/],
  ];
  for (const [what, health, says] of late) {
    test(`--wait for a machine that ${what} ends with the reason, and the machine goes on`, async () => {
      await using user = await home();
      await using vm = await running(user.folder, { health });
      let now = 0;
      const clock = (): number => (now += 1000);
      const args = ["vm", "start", "web", "--wait", "--timeout", "1s"];
      const err = refusal(await runForTest(args, { cwd: user.path, clock }));
      assert.match(err, says);
      assert.match(err, /hint: It still runs/);
      assert.deepEqual(vm.heard, []);
    });
  }

  test("a name that is almost one is corrected", async () => {
    await using user = await home();
    assert.match(refusal(await runForTest(["vm", "start", "wbe"], { cwd: user.path })), /no VM wbe\nhint: Did you mean web\?/);
  });
});

suite("petrify vm stop", () => {
  test("presses the power button, and returns when nothing of the VM is left", async () => {
    await using user = await home();
    await using vm = await running(user.folder);
    assert.equal(result(await runForTest(["vm", "stop", "web", "--json"], { cwd: user.path }))["changed"], true);
    assert.deepEqual(vm.heard, ["power-button"]);
    await using _ = await lockVm("web", user.folder, new AbortController().signal, 0);
  });

  test("a VM that does not hear the button is not ended, and the error says what ends it", async () => {
    await using user = await home();
    await using vm = await running(user.folder, { hearsButton: false });
    let now = 0;
    const clock = (): number => (now += 1000);
    const err = refusal(await runForTest(["vm", "stop", "web", "--timeout", "10s"], { cwd: user.path, clock }));
    assert.match(err, /has not shut down within 10s\nhint: .*--force/);
    assert.deepEqual(vm.heard, ["power-button"]);
  });

  test("with --force it is ended at once", async () => {
    await using user = await home();
    await using vm = await running(user.folder, { hearsButton: false });
    assert.equal(result(await runForTest(["vm", "stop", "web", "--force", "--json"], { cwd: user.path }))["changed"], true);
    assert.deepEqual(vm.heard, ["end"]);
  });

  test("a VM that does not run is left as it is", async () => {
    await using user = await home();
    assert.equal(result(await runForTest(["vm", "stop", "web", "--json"], { cwd: user.path }))["changed"], false);
  });
});

suite("petrify vm console", () => {
  test("shows the last lines, passes on what is typed, and says when the VM has ended", async () => {
    await using user = await home();
    await using vm = await running(user.folder);
    const typed = new PassThrough();
    typed.write("root\r");
    const input = typed as unknown as NodeJS.ReadStream;
    const { out, exitCode } = await runForTest(["vm", "console", "web", "--json"], { cwd: user.path, input });
    assert.equal(exitCode, 0);
    assert.match(out, /\{"type":"console","text":"web login: "\}/);
    assert.match(out, /"end":"ended"/);
    assert.deepEqual(vm.heard, ["root\r"]);
  });

  test("Ctrl-] leaves it, and the VM goes on", async () => {
    await using user = await home();
    await using vm = await running(user.folder);
    const typed = new PassThrough();
    typed.write("\u001d");
    const input = typed as unknown as NodeJS.ReadStream;
    const { out } = await runForTest(["vm", "console", "web", "--json"], { cwd: user.path, input });
    assert.match(out, /"end":"left"/);
    assert.deepEqual(vm.heard, []);
  });

  test("of a VM that does not run there is none, and the hint starts it", async () => {
    await using user = await home();
    assert.match(refusal(await runForTest(["vm", "console", "web"], { cwd: user.path })), /does not run\nhint: .*vm start web/);
  });
});

suite("petrify vm delete", () => {
  test("a VM that runs is refused, and stays", async () => {
    await using user = await home();
    await using vm = await running(user.folder);
    assert.match(refusal(await runForTest(["vm", "delete", "web"], { cwd: user.path })), /web runs\nhint: .*--force/);
    assert.deepEqual([await readdir(user.vms), vm.heard], [["web"], []]);
  });

  test("with --force it is ended first, and nothing of it is left", async () => {
    await using user = await home();
    await using vm = await running(user.folder);
    assert.equal((await runForTest(["vm", "delete", "web", "--force"], { cwd: user.path })).exitCode, 0);
    assert.deepEqual(vm.heard, ["end"]);
    assert.deepEqual(await readdir(user.vms), []);
    assert.deepEqual(await readdir(join(user.vms, "../vms-work")), []);
  });

  test("a VM that another process is about to start is not removed under it", async () => {
    await using user = await home();
    await using _ = await lockVm("web", user.folder, new AbortController().signal);
    assert.match(refusal(await runForTest(["vm", "delete", "web"], { cwd: user.path })), /another process has the VM web/);
    assert.deepEqual(await readdir(user.vms), ["web"]);
  });

  test("a VM whose description is damaged can be removed", async () => {
    await using user = await home();
    await rm(join(user.folder, VM_FILES.description));
    assert.equal((await runForTest(["vm", "delete", "web"], { cwd: user.path })).exitCode, 0);
    assert.deepEqual(await readdir(user.vms), []);
  });
});
