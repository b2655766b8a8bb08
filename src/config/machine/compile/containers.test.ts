import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { compile, problemsOf, shown, testMade, testRefused } from "../../../../tests/support/compile-cases.ts";
import { fakeContainer } from "./fake-config.ts";
import { alpine, fedora } from "./fake-image.ts";

testMade([
  [
    "a container of Quadlet",
    "debian",
    {
      containers: [
        fakeContainer("app", {
          environment: { A: "$5 50%" },
          ports: ["8080:80"],
          quadlet: { Container: ["AutoUpdate=registry"] },
        }),
      ],
    },
    {
      "/etc/containers/systemd/app.container":
        /RequiresMountsFor=\/var\/lib\/containers\n[^]*Image=registry\.example\/app:1\nEnvironment="A=\$\$5 50%%"\nPublishPort=8080:80\nAutoUpdate=registry\n/,
      "/usr/local/lib/containers": "folder",
      "/etc/systemd/system/var-lib-containers.mount":
        /What=\/usr\/local\/lib\/containers\nWhere=\/var\/lib\/containers\nType=none\nOptions=bind\n/,
      "/etc/systemd/system/multi-user.target.wants/var-lib-containers.mount": "-> /etc/systemd/system/var-lib-containers.mount",
    },
  ],
  [
    "a container of nerdctl",
    "fedora",
    { containers: [fakeContainer("app", { command: ["serve", "--name=a b", "1\n2"] })] },
    {
      "/etc/systemd/system/app.service":
        /^ExecStart=\/usr\/bin\/nerdctl run --rm --name app registry\.example\/app:1 serve "--name=a b" "1\\n2"$/m,
      "/etc/systemd/system/multi-user.target.wants/app.service": "-> /etc/systemd/system/app.service",
    },
  ],
]);

testRefused([
  ["containers that nothing runs", { containers: [fakeContainer("app")] }, /nothing that runs containers/, {}, "alpine"],
  [
    "a container with a line too many",
    { containers: [fakeContainer("app", { quadlet: { Container: ["A=b\n[Service]"] } })] },
    /lines of KEY=VALUE/,
  ],
  [
    "a container with a section of its own",
    { containers: [fakeContainer("app", { quadlet: { "X]\n[Service": [] } })] },
    /must be one of/,
  ],
  [
    "a container whose variable is two lines",
    { containers: [fakeContainer("app", { environment: { A: "a\rExecStartPre=/x" } })] },
    /environment\.A: is no variable, or has a value that cannot be one/,
  ],
  [
    "Quadlet's lines without Quadlet",
    { containers: [fakeContainer("app", { quadlet: { Unit: ["A=b"] } })] },
    /no podman with Quadlet/,
    {},
    "fedora",
  ],
]);

test("images of containers that are not kept are told of; podman's lie on a file system that can hold them", () => {
  const containers = [fakeContainer("app")];
  assert.match(compile({ containers }, fedora()).notes.join(), /\/var\/lib\/containerd is not persistent/);
  assert.deepEqual(compile({ containers, persistent: ["/var/lib/containerd"] }, fedora()).notes, []);
  const own = [{ what: "LABEL=images", where: "/var/lib/containers", type: "ext4", options: "defaults", pass: 2 }];
  for (const mounts of [[], own]) {
    const { notes, unsupported, compiled } = compile({ containers, mounts });
    const said = compiled.entries.find(({ path }) => path === "/etc/systemd/system/var-lib-containers.mount")?.what;
    assert.deepEqual([notes, unsupported], [[], []]);
    assert.match(JSON.stringify(said), mounts === own ? /What=LABEL=images/ : /What=\/usr\/local\/lib\/containers/);
  }
});

test("a container of OpenRC is a script, whose words a shell reads as they were written", () => {
  const view = alpine({ "/usr/bin/podman": "" });
  const container = fakeContainer("app", { command: ["sh", "-c", "echo 'a'"], environment: { A: "$(id)" }, restart: "no" });
  const compilation = compile({ containers: [container] }, view);
  const script = shown(compilation, "/etc/init.d/app")!;
  assert.match(script, /^#!\/sbin\/openrc-run\n# From/);
  assert.match(script, /\ncommand=\/usr\/bin\/podman\n/);
  assert.equal(shown(compilation, "/etc/runlevels/default/app"), "-> /etc/init.d/app");
  const quoted = /\ncommand_args=(.*)\n\ndepend/s.exec(script)![1]!;
  // As openrc-run does: assigned, then split once more by eval.
  const { stdout } = spawnSync("sh", ["-c", `command_args=${quoted}; eval set -- $command_args; printf '%s\\n' "$@"`], {
    encoding: "utf8",
  });
  assert.deepEqual(stdout.split("\n").slice(0, -1), [
    "run",
    "--rm",
    "--name",
    "app",
    "--env",
    "A=$(id)",
    container.image,
    "sh",
    "-c",
    "echo 'a'",
  ]);
  const restart = { containers: [fakeContainer("app", { restart: "on-failure" })] };
  assert.match(problemsOf(restart, view).join(), /restart: OpenRC starts a service again whenever it ends, or never/);
});

test("a machine that has only ctr runs containers on the host's network", () => {
  const view = fedora({ "/usr/bin/nerdctl": { link: "/nowhere" }, "/usr/bin/ctr": "" });
  assert.match(problemsOf({ containers: [fakeContainer("app", { ports: ["80:80"] })] }, view).join(), /ctr knows no ports/);
  const unit = shown(
    compile({ containers: [fakeContainer("app", { network: "host", volumes: ["/srv/a:/a:ro"] })] }, view),
    "/etc/systemd/system/app.service",
  );
  assert.match(unit!, /^ExecStartPre=\/usr\/bin\/ctr image pull registry\.example\/app:1$/m);
  assert.match(
    unit!,
    /^ExecStart=\/usr\/bin\/ctr run --rm --mount type=bind,src=\/srv\/a,dst=\/a,options=rbind:ro --net-host registry/m,
  );
});
