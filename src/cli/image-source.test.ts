import assert from "node:assert/strict";
import { test } from "node:test";
import { imageSource } from "./image-source.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;
const FILES = new Set(["/home/me/edge.img", "/home/me/images", "/home/me/a.b/c"]);

for (const [text, is, what] of [
  ["edge.img", "file", "/home/me/edge.img"],
  ["nowhere.img", "file", "/home/me/nowhere.img"],
  ["./x.y/edge", "file", "/home/me/x.y/edge"],
  ["/mnt/edge.img", "file", "/mnt/edge.img"],
  ["images", "file", "/home/me/images"],
  ["a.b/c", "file", "/home/me/a.b/c"],
  ["dir/edge.img", "file", "/home/me/dir/edge.img"],
  ["a.b/Edge.img", "file", "/home/me/a.b/Edge.img"],
  ["registry.example/edge:1.2.0", "registry", "registry.example/edge:1.2.0"],
  ["registry.example/team/edge", "registry", "registry.example/team/edge"],
  ["localhost:5000/edge:1", "registry", "localhost:5000/edge:1"],
  [`registry.example/edge@${DIGEST}`, "registry", `registry.example/edge@${DIGEST}`],
  ["http://192.0.2.2:5000/edge:1.2.0", "registry", "http://192.0.2.2:5000/edge:1.2.0"],
  [`http://192.0.2.2/edge@${DIGEST}`, "registry", `http://192.0.2.2/edge@${DIGEST}`],
  ["http://192.0.2.2:5000/edge.img", "url", "http://192.0.2.2:5000/edge.img"],
  ["https://files.example/edge/", "registry", "https://files.example/edge/"],
  ["http://files.example/edge/:1.2.0", "registry", "http://files.example/edge/:1.2.0"],
  ["https://images.example/edge:1.img", "url", "https://images.example/edge:1.img"],
  ["oci:/mnt/stick", "registry", "oci:/mnt/stick"],
  ["oci-archive:edge.tar:1.2.0", "registry", "oci-archive:/home/me/edge.tar:1.2.0"],
  ["oci:stick:1.2.0", "registry", "oci:/home/me/stick:1.2.0"],
] as const) {
  test(`${text} is a ${is}`, async () => {
    const source = await imageSource(text, "/home/me", async (path) => FILES.has(path));
    assert.deepEqual(
      [source.is, "path" in source ? source.path : "url" in source ? source.url : "reference" in source && source.reference],
      [is, what],
    );
  });
}

test("what is meant as a reference and is none is said", async () => {
  await assert.rejects(
    imageSource("registry.example/Edge:1", "/", async () => false),
    { code: "REFERENCE_INVALID" },
  );
});
