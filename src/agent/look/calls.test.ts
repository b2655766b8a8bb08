import assert from "node:assert/strict";
import { test } from "node:test";
import { CaptureService } from "../../protocol/petrify/v1/capture_pb.ts";
import { CopyService } from "../../protocol/petrify/v1/copy_pb.ts";
import { EventService } from "../../protocol/petrify/v1/event_pb.ts";
import { LogService } from "../../protocol/petrify/v1/log_pb.ts";
import { SystemService } from "../../protocol/petrify/v1/system_pb.ts";
import { scriptedRun } from "../../host/run.ts";
import { runLines } from "../../host/run-lines.ts";
import { lookRoutes } from "./call.ts";
import { LOOK_CALLS } from "./calls.ts";
import { prefixLength } from "./network.ts";
import { unitOf } from "./processes.ts";
import { rcServicesOf, servicesOf } from "./service-list.ts";
import { noCaptures } from "./testing.ts";

test("every method of the contract that is looked up has a call, and nothing else has", () => {
  const methods = [SystemService, LogService, CaptureService, EventService, CopyService].flatMap(({ name, methods: all }) =>
    all.map((method) => `${name}.${method.name}`),
  );
  assert.deepEqual(Object.keys(LOOK_CALLS).toSorted(), methods.toSorted());
});

test("a request that a call does not know is refused, whoever sends it", async () => {
  const routes = lookRoutes(LOOK_CALLS, {
    run: scriptedRun({}).run,
    runLines,
    root: "/none",
    lsblk: "lsblk",
    ...noCaptures,
    now: () => 0,
  });
  const { signal } = new AbortController();
  const ask = async (name: string, body: unknown) => await (routes[`POST /look/${name}`]!(signal, body) as Promise<object>);
  for (const [name, body] of [
    ["SystemService.Memory", { path: "/etc/shadow" }],
    ["SystemService.Memory", []],
    ["SystemService.Cpu", { watch: "11s" }],
    ["SystemService.Cpu", { watch: "1h" }],
    ["SystemService.Cpu", { watch: 1 }],
    ["SystemService.Cgroups", { depth: 9 }],
    ["SystemService.Network", { sockets: "yes" }],
    ["LogService.Logs", { units: ["--vacuum-size=1 x"] }],
    ["LogService.Logs", { units: ["a\nb"] }],
    ["LogService.Logs", { units: Array.from({ length: 33 }, () => "a") }],
    ["LogService.Logs", { boot: 1 }],
    ["LogService.Logs", { since: "yesterday" }],
    ["LogService.Logs", { grep: "a\nb" }],
    ["LogService.Logs", { after: "s=1 --rotate" }],
    ["LogService.Logs", { follow: true, boot: -1 }],
    ["LogService.Logs", { follow: true, until: "2026-11-22T20:42:00Z" }],
    ["LogService.Logs", { kernel: true, units: ["ssh"] }],
    ["LogService.Logs", { directory: "/oem" }],
    ["LogService.Dmesg", { priority: "loud" }],
  ] as const)
    await assert.rejects(async () => await ask(name, body), { code: "REQUEST_INVALID" }, `${name} ${JSON.stringify(body)}`);
});

test("services are as systemd says, by name", () => {
  const shown = [
    "Id=ssh.service\nDescription=OpenBSD Secure Shell server\nLoadState=loaded\nActiveState=active\nSubState=running",
    "MainPID=812\nResult=success\nUnitFileState=enabled\nNRestarts=2\nMemoryCurrent=3526656\nStateChangeTimestampMonotonic=5500000\n",
    "Id=app.service\nLoadState=not-found\nActiveState=inactive\nMainPID=0\nMemoryCurrent=[not set]\nStateChangeTimestampMonotonic=0",
  ].join("\n");
  const none = { description: "", sub: "", result: "", enabled: "", restarts: 0 };
  assert.deepEqual(servicesOf(shown, 1000), [
    { ...none, name: "app.service", load: "not-found", active: "inactive" },
    {
      ...{ name: "ssh.service", description: "OpenBSD Secure Shell server", load: "loaded", active: "active", sub: "running" },
      ...{ result: "success", enabled: "enabled", restarts: 2, pid: 812, memory: "3526656", since: "1970-01-01T00:16:45.500Z" },
    },
  ]);
});

test("services of OpenRC are told in the words of systemd; one of several runlevels is there once", () => {
  const text =
    "[sysinit]\npetrifyd = started\n[default]\nweb = crashed\n[Dynamic Runlevel: manual]\nweb = crashed\nx = stopped\n";
  assert.deepEqual(rcServicesOf(text), [
    { name: "petrifyd", load: "loaded", active: "active", sub: "started", enabled: "enabled" },
    { name: "web", load: "loaded", active: "failed", sub: "crashed", enabled: "enabled" },
    { name: "x", load: "loaded", active: "inactive", sub: "stopped", enabled: "disabled" },
  ]);
});

test("a process belongs to the unit that its control group is of", () => {
  for (const [text, unit] of [
    ["0::/system.slice/ssh.service\n", "ssh.service"],
    ["0::/system.slice/docker.service/abc/def\n", "docker.service"],
    ["0::/user.slice/user-0.slice/session-1.scope\n", "session-1.scope"],
    ["9:name=systemd:/system.slice/cron.service\n4:memory:/x.service\n0::/\n", "cron.service"],
    ["0::/\n", ""],
    ["", ""],
  ] as const)
    assert.equal(unitOf(text), unit, text);
});

test("a netmask is the length of a prefix", () => {
  for (const [mask, length] of [
    ["255.255.255.0", 24],
    ["255.255.255.255", 32],
    ["0.0.0.0", 0],
    ["255.240.0.0", 12],
    ["ffff:ffff:ffff:ffff::", 64],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128],
    ["::", 0],
  ] as const)
    assert.equal(prefixLength(mask), length, mask);
});
