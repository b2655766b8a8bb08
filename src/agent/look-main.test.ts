import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, link, mkdtempDisposable, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openNode } from "../client/open-node.ts";
import { bundleForNode } from "../host/bundle.ts";
import { run } from "../host/run.ts";
import { secondsNow } from "../host/wall-clock.ts";
import type { Role } from "../pki/identity.ts";
import { SystemService } from "../protocol/petrify/v1/system_pb.ts";
import { askProgram } from "./api/ask-program.ts";
import { localAnswers } from "./api/local-answers.ts";
import { openApi } from "./api/open-api.ts";
import { fakeAuthority, noAgent } from "./api/testing.ts";
import { lookPath } from "./look/call.ts";

const HOST = "127.0.0.1";
const TOKEN = "t";
/** As a machine has it. */
const program = await bundleForNode(join(import.meta.dirname, "look-main.ts"), {});
const authority = await fakeAuthority();
const machine = await authority.machine(HOST);
const { signal } = new AbortController();

const CAPABILITIES = ["dac_read_search", "sys_ptrace", "syslog", "net_raw"].map((name) => `+${name}`).join(",");
/** What makes a program nobody in particular with the capabilities of petrify-look.service, where the tests are run by root of all that there is. */
async function nobody(): Promise<string[]> {
  const user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
  const argv = [...user, `--inh-caps=-all,${CAPABILITIES}`, `--ambient-caps=-all,${CAPABILITIES}`];
  return await run(["setpriv", ...argv, "true"]).then(
    () => ["setpriv", ...argv],
    () => [],
  );
}

/** What systemd does: a socket that listens as descriptor 3, its own pid in the environment. In front of it the API's listener. */
async function started() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-look-"));
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("look.mjs"), program);
  await writeFile(at("token"), TOKEN);
  const listener = createServer().listen(at("listener"));
  await once(listener, "listening");
  await link(at("listener"), at("socket")); // Node removes its own when it closes it
  const { fd } = Reflect.get(listener, "_handle") as { readonly fd: number };
  const argv = [
    "-c",
    'export LISTEN_PID=$$; exec "$@"',
    "sh",
    ...(await nobody()),
    process.execPath,
    at("look.mjs"),
    at("token"),
  ];
  const child = spawn("sh", argv, { env: { LISTEN_FDS: "1" }, stdio: ["ignore", "inherit", "inherit", fd] });
  listener.close(); // this process's half of it: or it would take connections, too
  const ended = once(child, "exit");
  const ask = askProgram(at("socket"), TOKEN, "what looks at the machine");
  const api = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...machine, authorities: authority.certificate, epoch: 0, now: secondsNow, log: () => {} },
    ask: noAgent,
    answers: localAnswers(ask, ask, "1.2.3"),
  });
  return {
    ...{ child, ended, socket: at("socket") },
    open: async (role: Role) =>
      await openNode(
        { name: "edge-7", host: HOST, port: api.port },
        { ...(await authority.person({ role })), authorities: authority.certificate },
        () => {},
        signal,
      ),
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      child.kill("SIGKILL");
      await ended;
      await folder.remove();
    },
  };
}

suite("petrify-look", () => {
  test("says what this machine does, by way of the API", async () => {
    await using look = await started();
    await using connection = await look.open("reader");
    const system = connection.client(SystemService);
    const memory = await system.memory({});
    assert.ok(memory.total > memory.available && memory.available > 0n);
    const load = await system.load({});
    assert.ok(load.processors > 0 && load.tasks >= load.running && load.uptime!.seconds > 0n);
    const cpu = await system.cpu({ watch: { nanos: 50_000_000 } });
    assert.equal(cpu.each.length, load.processors);
    for (const { user, system: kernel, interrupts, waiting, idle, stolen } of [cpu.all!, ...cpu.each])
      assert.ok(Math.abs(user + kernel + interrupts + waiting + idle + stolen - 100) < 0.1);
    const { processes } = await system.processes({});
    const own = processes.find(({ pid }) => pid === look.child.pid);
    assert.equal(own?.parent, process.pid);
    assert.ok(own.argv.includes(join(look.socket, "../look.mjs")));
    assert.ok(own.memory > 0n && Math.abs(Number(own.since!.seconds) - secondsNow()) < 60);
  });

  test("says what is mounted, where packets go, what time it is, and what control groups use", async () => {
    await using look = await started();
    await using connection = await look.open("reader");
    const system = connection.client(SystemService);
    const { mounts } = await system.mounts({});
    const root = mounts.find(({ point }) => point === "/");
    assert.ok(root?.size !== undefined && root.available! <= root.size && root.type !== "");
    const { links, routes, sockets } = await system.network({ sockets: true });
    assert.ok(links.find(({ name }) => name === "lo")?.addresses.includes("127.0.0.1/8"));
    for (const route of routes) assert.ok(links.some(({ name }) => name === route.link));
    assert.ok(
      sockets.some(({ remote, local }) => local.startsWith(`${HOST}:`) && remote.startsWith(`${HOST}:`)),
      "this connection",
    );
    assert.deepEqual((await system.network({})).sockets, []);
    const time = await system.time({});
    assert.ok(Math.abs(Number(time.now!.seconds) - secondsNow()) < 60 && time.boot!.seconds < time.now!.seconds);
    assert.notEqual(time.reason, "");
    for (const { path } of (await system.cgroups({ depth: 1 })).cgroups) assert.match(path, /^\/[^/]+$/);
  });

  test("says what a folder holds, how much room it takes, and what a file says, unless it is a secret", async () => {
    await using look = await started();
    await using connection = await look.open("admin");
    const system = connection.client(SystemService);
    const folder = join(look.socket, "..");
    const listed = await Array.fromAsync(system.list({ path: folder }));
    const names = listed.flatMap(({ entries }) => entries.map(({ name }) => name));
    assert.deepEqual(names.toSorted(), ["look.mjs", "socket", "token"]);
    const { parts, bytes } = await system.usage({ path: folder });
    assert.equal(parts[0]?.name, "look.mjs");
    assert.ok(bytes >= BigInt(program.length));
    const read = async (path: string, limit?: bigint): Promise<string> => {
      const asked = { path, offset: 2n, ...(limit === undefined ? {} : { limit }) };
      return Buffer.concat(await Array.fromAsync(system.read(asked), ({ data }) => data)).toString();
    };
    assert.equal(await read(`${folder}/look.mjs`), program.slice(2));
    assert.equal(await read(`${folder}//look.mjs/`, 5n), program.slice(2, 7));
    await writeFile(join(folder, "harmless"), "-----BEGIN EC PRIVATE KEY-----");
    for (const path of [`${folder}/harmless`, "/proc/self/environ", "/proc/kmsg"])
      await assert.rejects(read(path), /is closed to the API/, path);
    await chmod(join(folder, "token"), 0);
    assert.equal(await read(`${folder}/token`), "", "of somebody else, and for nobody to read; two bytes are left out");
    for (const path of ["etc", "/etc/../etc/passwd", "/\0", ""]) await assert.rejects(read(path), /invalid_argument/, path);
    await assert.rejects(read(`${folder}/none`), /there is no/);
    await using reader = await look.open("operator");
    await assert.rejects(Array.fromAsync(reader.client(SystemService).read({ path: "/etc/passwd" })), /this takes admin/);
  });

  test("answers who has the token, and what it knows", async () => {
    await using look = await started();
    const ask = async (token: string, name: string): Promise<unknown> =>
      await Array.fromAsync(askProgram(look.socket, token, "it")("POST", lookPath(name), signal, {}));
    await assert.rejects(ask("another", "SystemService.Memory"), { code: "AGENT_UNREACHABLE" });
    await assert.rejects(ask(TOKEN, "SystemService.Nothing"), { code: "NO_SUCH_CALL" });
    assert.ok(await ask(TOKEN, "SystemService.Memory"));
  });

  test("tells callers what went wrong by a code, and ends in good order", async () => {
    await using look = await started();
    await using connection = await look.open("admin");
    const call = connection.client(SystemService).cpu({ watch: { seconds: 11n } });
    await assert.rejects(call, /invalid_argument.*watch: a time of at most 10 s/s);
    look.child.kill("SIGTERM");
    assert.deepEqual(await look.ended, [0, null]);
    await assert.rejects(connection.client(SystemService).memory({}), /what looks at the machine does not answer/);
  });
});
