import assert from "node:assert/strict";
import { test } from "node:test";
import { assertStorable, compile, IMAGES, MEANS, tolerantly } from "../../../../tests/support/compile-cases.ts";
import type { NodeConfig } from "../node-config.ts";
import { fakeFile, fakeStep, fakeUser } from "./fake-config.ts";
import { debian } from "./fake-image.ts";

test("all that cannot be done is told together, and at boot only that is left out", () => {
  const about = { hostname: "a", timezone: "Europe/Paris", files: [fakeFile("/usr/x"), fakeFile("/etc/ok")] };
  assert.throws(() => compile(about), /timezone: [^]*write_files\[\/usr\/x\]: /);
  const compilation = tolerantly(about);
  assert.deepEqual(
    compilation.compiled.entries.map(({ path }) => path),
    ["/etc/hostname", "/etc/ok"],
  );
});

test("what is on data waits for data, what recovery needs is marked", () => {
  const files = [{ path: "/etc/systemd/network/10-petrify-a.network", mode: 0o640, text: "[Match]\n", owner: "root:adm" }];
  const wants = "/etc/systemd/system/multi-user.target.wants";
  const links = [{ path: `${wants}/nginx.service`, to: "/usr/lib/systemd/system/nginx.service" }];
  const network = { files, links, gone: [`${wants}/ssh.service`] };
  const { compiled } = compile({ hostname: "a", files: [fakeFile("/srv/x"), fakeFile("/etc/y")] }, debian(), {
    ...MEANS,
    network,
  });
  assert.deepEqual(
    compiled.entries.map(({ path, when, recovery }) => [path, when, recovery ?? false]),
    [
      ["/etc/hostname", "root", true],
      ["/etc/systemd/network", "root", true],
      ["/etc/systemd/network/10-petrify-a.network", "root", true],
      ["/etc/systemd/system/multi-user.target.wants/nginx.service", "root", true],
      ["/etc/systemd/system/multi-user.target.wants/ssh.service", "root", true],
      ["/etc/y", "root", false],
      ["/srv/x", "data", false],
    ],
  );
});

test("what comes from elsewhere, later, or to a place that is emptied is for the stage runner", () => {
  const { compiled, plan } = compile({
    files: [
      fakeFile("/etc/a", { content: { url: "https://mirror.example/a" } }),
      fakeFile("/etc/b", { defer: true }),
      fakeFile("/run/c"),
      fakeFile("/var/run/d"),
    ],
    bootCommands: ["date"],
    runCommands: ["id"],
  });
  assert.deepEqual(compiled.entries, []);
  assert.deepEqual(
    Object.entries(plan.stages).map(([stage, steps]) => [stage, steps.map(({ name }) => name)]),
    [
      ["fs.before", ["bootcmd"]],
      ["fs", ["write_files /run/c", "write_files /var/run/d"]],
      ["boot", ["write_files /etc/b"]],
      ["network", ["write_files /etc/a"]],
    ],
  );
  assert.deepEqual(compiled.stages, ["fs.before", "fs", "boot", "network", "network.after"]);
});

test("a check of the config takes the place of the image's of that name", () => {
  const image = { format: 1, deadlineSeconds: 60, onFailure: "alarm", failedUnits: true };
  const check = (name: string, port: number) => ({ name, kind: "tcp", host: "localhost", port, timeoutSeconds: 10 }) as const;
  const view = debian({ "/usr/lib/petrify/health.json": JSON.stringify({ ...image, checks: [check("a", 1), check("b", 2)] }) });
  const health = {
    deadlineSeconds: 120,
    onFailure: "reboot",
    failedUnits: true,
    checks: [check("b", 20), check("c", 3)],
  } as const;
  assert.deepEqual(compile({ health }, view).compiled.health, {
    ...health,
    checks: [check("a", 1), check("b", 20), check("c", 3)],
  });
});

test("the same config comes to the same, byte for byte", () => {
  const about = {
    ...{ hostname: "a", timezone: "Europe/Berlin", environment: { B: "b", A: "a" }, sysctl: { b: "1", a: "2" } },
    users: [fakeUser("bob", { authorizedKeys: ["ssh-rsa BBBB"] }), fakeUser("alice", { groups: ["ops"] })],
    files: [fakeFile("/srv/x"), fakeFile("/etc/b"), fakeFile("/etc/a", { defer: true })],
    stages: { boot: [fakeStep("two"), fakeStep("one", { commands: ["date"] })] },
  };
  for (const image of Object.values(IMAGES))
    assert.equal(JSON.stringify(compile(about, image())), JSON.stringify(compile(structuredClone(about), image())));
});

test("whatever was left out, what remains can be stored and read again", () => {
  const wrong: readonly Partial<NodeConfig>[] = [
    { hostname: "a\nb" },
    {
      users: [
        fakeUser("a", { primaryGroup: "x:y", groups: ["no good"], uid: -1 }),
        fakeUser("b", { expires: 1e9 }),
        fakeUser("c", { groups: ["a,b"] }),
      ],
    },
    { users: [fakeUser("no name")], groups: [{ name: "g", members: ["no name"] }] },
    { groups: [{ name: "g", gid: 2 ** 40, members: ["nobody else", "root"] }] },
  ];
  for (const about of wrong) assertStorable(tolerantly(about));
});

test("kernel arguments of all documents together have a limit", () => {
  const append = Array.from({ length: 3 }, (_, index) => `x${index}=${"y".repeat(180)}`);
  assert.deepEqual(compile({ kernelArgs: { append: append.slice(1), remove: [] } }).kernelArgs.append, append.slice(1));
  const { kernelArgs, unsupported } = tolerantly({ kernelArgs: { append, remove: [] } });
  assert.deepEqual([kernelArgs.append, unsupported.map(({ key }) => key)], [[], ["kernel.args"]]);
});
