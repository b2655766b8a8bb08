import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openApi } from "../../agent/api/open-api.ts";
import { fakeAuthority, fakeStatus, noAgent } from "../../agent/api/testing.ts";
import { AppError } from "../../core/error.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { runForTest, type Ran } from "../testing.ts";

const HOST = "127.0.0.1";
/** What petrify-look says, by the name of the call. */
const SAID: Readonly<Record<string, object>> = {
  Services: {
    services: [
      { name: "app.service", active: "failed", sub: "failed", result: "exit-code", restarts: 3, since: "2026-11-22T20:42:17.5Z" },
      { name: "cron.service", active: "inactive", sub: "dead" },
      {
        name: "ssh.service",
        active: "active",
        sub: "running",
        memory: "3526656",
        enabled: "enabled",
        description: "a\u001b[2Jb",
      },
    ].toReversed(),
  },
  Processes: {
    processes: [
      { pid: 7, uid: 1000, name: "kid", state: "S", memory: "4096", cpuTime: "3.5s" },
      { pid: 1, user: "root", name: "systemd", state: "S", memory: "10485760", cpuTime: "3727s", argv: ["/sbin/init", "x"] },
    ],
  },
  Memory: { total: "4294967296", available: "2147483648", notKnownYet: true },
  Cpu: {
    model: "x",
    all: { user: 12.5, idle: 87.5 },
    each: [
      { number: 0, user: 25, idle: 75 },
      { number: 1, idle: 100 },
    ],
  },
  Load: { one: 0.1, processors: 2, tasks: 139, uptime: "270000s", memory: { some60: 1.5 } },
  Disks: { devices: [{ path: "/dev/sda", type: "disk", size: "1073741824", serial: "S1", mounts: [] }] },
  Mounts: {
    mounts: [
      { point: "/", type: "erofs", readOnly: true, size: "100", available: "0", files: "0", filesFree: "0", source: "/dev/dm-0" },
      { point: "/proc", type: "proc", size: "0", source: "proc" },
      { point: "/srv", type: "nfs4", source: "a:/b" },
    ],
  },
  Network: {
    links: [
      {
        name: "eth0",
        state: "up",
        addresses: ["192.0.2.7/24"],
        mtu: 1500,
        receivedBytes: "2048",
        receiveDrops: "2",
        sendDrops: "1",
      },
    ],
    routes: [{ to: "default", gateway: "192.0.2.1", link: "eth0", metric: 100 }],
    sockets: [
      { protocol: "tcp", local: "0.0.0.0:22", state: "listen" },
      { protocol: "tcp", local: "192.0.2.7:22", remote: "192.0.2.9:5", state: "established" },
    ],
  },
  Containers: {
    containers: [
      { id: "0123456789abcdef", name: "web", image: "nginx:1", runtime: "podman", use: { path: "/x", memory: "2048", tasks: 3 } },
      { id: "fedcba9876543210fe" },
    ],
  },
  Diff: { paths: [{ path: "/etc/app/x", verdict: "stale", stored: "4096", differs: ["content", "mode 0644 → 0600"] }] },
  List: {
    entries: [
      { name: "b", kind: "FILE_KIND_FILE", mode: 0o4755, uid: 7, size: "2048", modified: "2026-11-22T20:42:17Z" },
      { name: "a", kind: "FILE_KIND_LINK", mode: 0o777, user: "root", group: "adm", target: "b" },
      { name: "tmp", kind: "FILE_KIND_FOLDER", mode: 0o1777 },
    ],
  },
  Usage: { bytes: "4096", files: "2", cut: true, parts: [{ name: "log", bytes: "4096", files: "2" }] },
  Read: { data: Buffer.from("one\n\u001b[2Jtwo\n").toString("base64") },
  Time: { now: "2026-11-22T20:42:17Z", isSet: true, reason: "NTP keeps it", error: "0.0025s", zone: "UTC" },
  Cgroups: {
    cgroups: [
      { path: "/init.scope", memory: "1024" },
      { path: "/system.slice", memory: "2048", cpuTime: "61s" },
    ],
  },
};

/** A machine, and somebody who may look at it. */
async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-look-cli-"));
  const cwd = folder.path;
  const fleet = await fakeAuthority();
  const { certificate, key } = await fleet.person({ role: "admin" });
  for (const [name, text] of Object.entries({ ca: fleet.certificate, certificate, key })) await writeFile(join(cwd, name), text);
  const asked: object[] = [];
  const api = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...(await fleet.machine(HOST)), authorities: fleet.certificate, epoch: 0, now: secondsNow },
    log: () => {},
    ask: noAgent,
    answers: {
      version: "1.2.3",
      status: async () => await Promise.resolve(fakeStatus),
      operation: async function* () {},
      look: async function* (_method, url, _signal, body = {}) {
        asked.push(body);
        const said = await Promise.resolve(SAID[url.replace("/look/SystemService.", "")]);
        if (!said) throw new AppError("NO_SUCH_CALL", `there is no ${url}`);
        yield said;
        if (url.endsWith("Read") || url.endsWith("List")) yield "entries" in said ? { entries: [{ name: "z" }] } : said;
      },
    },
  });
  const petrify = async (...args: string[]): Promise<Ran> => await runForTest(args, { cwd, env: { USER: "jo" } });
  await petrify("context", "add", "edge", "--ca", "ca", "--certificate", "certificate", "--key", "key");
  const lines = async (...args: string[]): Promise<string[]> => {
    const { out, err, exitCode } = await petrify("-n", `${HOST}:${api.port}`, ...args);
    assert.equal(exitCode, 0, err);
    return out.trimEnd().split("\n");
  };
  return {
    asked,
    lines,
    /** Its table, without what only fills it up. */
    table: async (...args: string[]): Promise<string[]> => {
      const [, ...rows] = await lines(...args);
      return rows.map((line) => line.replace(/^\S+ +/, "").replaceAll(/ {2,}/g, " | "));
    },
    json: async (...args: string[]): Promise<unknown> => {
      const { out } = await petrify("-n", `${HOST}:${api.port}`, ...args, "--json");
      const { value } = JSON.parse(out) as { readonly value: { readonly nodes: readonly { readonly value: unknown }[] } };
      return value.nodes[0]!.value;
    },
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("petrify -n NODE shows what the system does", () => {
  for (const [command, rows] of [
    [
      "services",
      [
        "app.service | failed (exit-code) | 2026-11-22 20:42:17 | - | 3 | - | -",
        "ssh.service | active (running) | - | 3.4 MiB | 0 | enabled | a [2Jb",
      ],
    ],
    ["services --failed", ["app.service | failed (exit-code) | 2026-11-22 20:42:17 | - | 3 | - | -"]],
    ["processes", ["1 | root | S | 10 MiB | 1:02:07 | - | - | /sbin/init x", "7 | 1000 | S | 4 KiB | 0:03 | - | - | [kid]"]],
    ["memory", ["4 GiB | 2 GiB | 0 B | 0 B | 0 B | 0 B | 0 B"]],
    ["cpu", ["all 2 | 12.5 % | 0.0 % | 0.0 % | 0.0 % | 0.0 % | 87.5 %"]],
    ["load", ["0.10 | 0.00 | 0.00 | 2 | 139 | - | 1.5 % | - | 3 d"]],
    ["disks", ["/dev/sda | disk | 1 GiB | - | - | - | - | S1"]],
    ["mounts", ["/ | erofs, read-only | 100 B | 0 B | 100.0 % | - | /dev/dm-0"]],
    ["network", ["eth0 | up | 192.0.2.7/24 | - | 1500 | 2 KiB | 0 B | 0 | 3"]],
    ["network routes", ["default | 192.0.2.1 | eth0 | 100"]],
    ["network sockets --listening", ["tcp | 0.0.0.0:22 | - | listen | 0"]],
    ["time", ["2026-11-22 20:42:17 | yes: NTP keeps it | at most 3 ms | - | - | UTC"]],
    ["cgroups --depth 3", ["/system.slice | 2 KiB | - | - | 1:01 | - | - | -", "/init.scope | 1 KiB | - | - | - | - | - | -"]],
    ["stats", ["0123456789ab | web | nginx:1 | podman | 2 KiB | - | 3 | -", "fedcba987654 | - | - | - | - | - | - | -"]],
    ["diff", ["stale | 4 KiB | - | content, mode 0644 → 0600 | /etc/app/x"]],
    [
      "ls /srv",
      [
        "lrwxrwxrwx | root | adm | 0 B | - | a -> b",
        "-rwsr-xr-x | 7 | 0 | 2 KiB | 2026-11-22 20:42:17 | b",
        "drwxrwxrwt | 0 | 0 | 0 B | - | tmp",
        "?--------- | 0 | 0 | 0 B | - | z",
      ],
    ],
    ["usage /srv", ["4 KiB | 2 | all that was looked at: there is more", "4 KiB | 2 | log"]],
  ] as const) {
    test(command, async () => {
      await using at = await desk();
      assert.deepEqual(await at.table(...command.split(" ")), rows);
    });
  }

  test("all of it with --json, as the contract has it", async () => {
    await using at = await desk();
    assert.deepEqual(await at.json("memory"), { total: "4294967296", available: "2147483648" });
  });

  test("answers that come in parts are one with --json", async () => {
    await using at = await desk();
    const { entries } = (await at.json("ls", "/srv")) as { readonly entries: readonly object[] };
    assert.equal(entries.length, 4);
  });

  test("a file as text, without what leads a terminal astray; --json has its bytes", async () => {
    await using at = await desk();
    assert.deepEqual(await at.lines("read", "/etc/motd"), ["one", "\u{fffd}[2Jtwo", "one", "\u{fffd}[2Jtwo"]);
    const { data } = (await at.json("read", "/etc/motd")) as { readonly data: string };
    assert.equal(Buffer.from(data, "base64").toString(), "one\n\u001b[2Jtwo\n".repeat(2));
  });

  test("what was asked for is asked of the machine", async () => {
    await using at = await desk();
    await at.table("cpu", "--watch", "5s", "--each");
    await at.table("network", "sockets");
    await at.table("cgroups", "--depth", "3");
    assert.deepEqual(at.asked, [{ watch: "5s" }, { sockets: true }, { depth: 3 }]);
  });
});
