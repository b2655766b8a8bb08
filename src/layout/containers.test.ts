import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { containerOfGroup, parseBundle, parseDockerContainer, parseStorageContainers } from "./containers.ts";

const ID = "0123456789abcdef".repeat(4);

suite("the container of a control group", () => {
  for (const [name, runtime] of [
    [`libpod-${ID}.scope`, "podman"],
    [`docker-${ID}.scope`, "docker"],
    [`cri-containerd-${ID}.scope`, "containerd"],
    [`crio-${ID}.scope`, "cri-o"],
    [ID, ""],
  ] as const)
    test(name, () => assert.deepEqual(containerOfGroup(name), { id: ID, runtime }));

  for (const name of [
    `libpod-conmon-${ID}.scope`,
    `crio-conmon-${ID}.scope`,
    "ssh.service",
    ID.slice(1),
    `${ID}0`,
    "",
    `constructor-${ID}`,
  ])
    test(`is none: ${name}`, () => assert.equal(containerOfGroup(name), undefined));
});

suite("names of containers", () => {
  test("of podman are in its storage", () => {
    const metadata = JSON.stringify({ "image-name": "docker.io/library/nginx:1", name: "web", "created-at": 1 });
    const text = JSON.stringify([
      { id: ID, names: ["web"], image: "e5f1", metadata },
      { id: "b", names: ["two"] },
      { names: ["x"] },
      7,
    ]);
    assert.deepEqual(
      [...parseStorageContainers(text)],
      [
        [ID, { name: "web", image: "docker.io/library/nginx:1" }],
        ["b", { name: "two", image: "" }],
      ],
    );
  });

  test("of Docker are in its configuration", () => {
    const text = JSON.stringify({ Name: "/web", Config: { Image: "nginx:1", Env: ["SECRET=1"] }, State: { Running: true } });
    assert.deepEqual(parseDockerContainer(text), { name: "web", image: "nginx:1" });
  });

  test("of Kubernetes are in the bundle that containerd runs", () => {
    const of = (annotations: object): unknown => parseBundle(JSON.stringify({ process: { env: ["A=b"] }, annotations }));
    const pod = { "io.kubernetes.cri.sandbox-namespace": "default", "io.kubernetes.cri.sandbox-name": "web-7" };
    const named = { "io.kubernetes.cri.container-name": "nginx", "io.kubernetes.cri.image-name": "nginx:1" };
    assert.deepEqual(of({ ...pod, ...named }), { name: "default/web-7/nginx", image: "nginx:1" });
    assert.deepEqual(of({ ...pod, "io.kubernetes.cri.container-type": "sandbox" }), { name: "default/web-7/pause", image: "" });
    assert.deepEqual(of({}), { name: "", image: "" });
  });

  test("are read from any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        for (const { name } of parseStorageContainers(text).values()) assert.equal(typeof name, "string");
        for (const names of [parseDockerContainer(text), parseBundle(text)]) assert.equal(typeof names.name, "string");
        containerOfGroup(text);
      }),
    );
  });
});
