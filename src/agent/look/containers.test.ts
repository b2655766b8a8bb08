import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { runLines } from "../../host/run-lines.ts";
import { scriptedRun } from "../../host/run.ts";
import { containers } from "./containers.ts";
import { noCaptures } from "./testing.ts";

test("containers that run are found by their control groups, and named by what their runtimes write down", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-containers-"));
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), text);
  };
  const [podman, docker, pod, unknown] = ["a", "b", "c", "d"].map((letter) => letter.repeat(64)) as [
    string,
    string,
    string,
    string,
  ];
  const groups = "sys/fs/cgroup";
  await put(`${groups}/machine.slice/libpod-${podman}.scope/memory.current`, "4096\n");
  await put(`${groups}/machine.slice/libpod-conmon-${podman}.scope/memory.current`, "1\n");
  await put(`${groups}/system.slice/docker-${docker}.scope/pids.current`, "3\n");
  await put(`${groups}/kubepods.slice/a.slice/b.slice/cri-containerd-${pod}.scope/memory.max`, "max\n");
  await put(`${groups}/x/${unknown}/memory.current`, "2\n");
  const storage = JSON.stringify([{ id: podman, metadata: JSON.stringify({ name: "web", "image-name": "nginx:1" }) }]);
  await put("var/lib/containers/storage/overlay-containers/containers.json", storage);
  await put(`var/lib/docker/containers/${docker}/config.v2.json`, '{"Name":"/db","Config":{"Image":"postgres:17"}}');
  const annotations = { "io.kubernetes.cri.sandbox-name": "web-7", "io.kubernetes.cri.container-name": "nginx" };
  await put(`run/containerd/io.containerd.runtime.v2.task/k8s.io/${pod}/config.json`, JSON.stringify({ annotations }));
  const ports = { run: scriptedRun({}).run, runLines, root: folder.path, lsblk: "lsblk", ...noCaptures, now: () => 0 };
  const answer = await (containers({}, ports, new AbortController().signal) as Promise<{ containers: { name: string }[] }>);
  assert.deepEqual(
    answer.containers.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    [
      { id: unknown, runtime: "", name: "", image: "", use: { path: `/x/${unknown}`, memory: "2" } },
      {
        id: docker,
        runtime: "docker",
        name: "db",
        image: "postgres:17",
        use: { path: `/system.slice/docker-${docker}.scope`, tasks: 3 },
      },
      {
        ...{ id: podman, runtime: "podman", name: "web", image: "nginx:1" },
        use: { path: `/machine.slice/libpod-${podman}.scope`, memory: "4096" },
      },
      {
        ...{ id: pod, runtime: "containerd", name: "web-7/nginx", image: "" },
        use: { path: `/kubepods.slice/a.slice/b.slice/cri-containerd-${pod}.scope` },
      },
    ].toSorted((one, other) => (one.name < other.name ? -1 : 1)),
  );
});
