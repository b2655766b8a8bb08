import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { formatReference, parseReference, registryOrigin, type Reference } from "./reference.ts";

const DIGEST = `sha256:${"0a".repeat(32)}`;
const hub = { kind: "registry", registry: "docker.io", plainHttp: false } as const;
const at = (registry: string, repository: string, more: object = {}): Reference => ({
  kind: "registry",
  registry,
  repository,
  plainHttp: false,
  ...more,
});

for (const [text, expected] of [
  ["debian", { ...hub, repository: "library/debian" }],
  ["debian:13", { ...hub, repository: "library/debian", tag: "13" }],
  ["team/os", { ...hub, repository: "team/os" }],
  ["docker.io/debian", { ...hub, repository: "library/debian" }],
  ["index.docker.io/team/os:v1", { ...hub, repository: "team/os", tag: "v1" }],
  ["registry.example/os", at("registry.example", "os")],
  ["registry.example:5000/team/os:1.4.0", at("registry.example:5000", "team/os", { tag: "1.4.0" })],
  ["localhost/os", at("localhost", "os")],
  ["[::1]:5000/os:a", at("[::1]:5000", "os", { tag: "a" })],
  [`registry.example/os@${DIGEST}`, at("registry.example", "os", { digest: DIGEST })],
  [`registry.example/os:v1@${DIGEST}`, at("registry.example", "os", { tag: "v1", digest: DIGEST })],
  ["http://127.0.0.1:5000/os:v1", at("127.0.0.1:5000", "os", { tag: "v1", plainHttp: true })],
  ["http://registry/os", at("registry", "os", { plainHttp: true })],
  ["oci:out", { kind: "layout", folder: "out" }],
  ["oci-archive:out/os.tar", { kind: "archive", file: "out/os.tar" }],
  ["oci-archive:/srv/a:b/os.tar:v1", { kind: "archive", file: "/srv/a:b/os.tar", tag: "v1" }],
  ["oci:/srv/a:b/os:v1", { kind: "layout", folder: "/srv/a:b/os", tag: "v1" }],
  ["https://files.example/edge/", { kind: "web", url: "https://files.example/edge/" }],
  ["https://files.example/:1.4.0", { kind: "web", url: "https://files.example/", tag: "1.4.0" }],
  ["http://192.0.2.2:8080/a:b/os/:v1", { kind: "web", url: "http://192.0.2.2:8080/a:b/os/", tag: "v1" }],
  ["https://FILES.example/x/../edge/", { kind: "web", url: "https://files.example/edge/" }],
  [`http://[::1]:8080/edge/@${DIGEST}`, { kind: "web", url: "http://[::1]:8080/edge/", digest: DIGEST }],
  [`oci:./os@home:v1@${DIGEST}`, { kind: "layout", folder: "./os@home", tag: "v1", digest: DIGEST }],
] as const) {
  test(`${text} is read, and written as what is read the same`, () => {
    const reference = parseReference(text);
    assert.deepEqual(reference, expected);
    assert.deepEqual(parseReference(formatReference(reference)), reference);
  });
}

for (const [text, why] of [
  ["", /names no repository/],
  ["Debian", /repository that is none/],
  ["registry.example/", /names no repository/],
  ["registry.example//os", /repository that is none/],
  ["registry.example/../os", /repository that is none/],
  ["registry.example/os:", /tag that is none/],
  ["registry.example/os:-v1", /tag that is none/],
  [`registry.example/os:${"t".repeat(129)}`, /tag that is none/],
  ["registry.example:0/os", /registry that is none/],
  ["registry.example:65536/os", /registry that is none/],
  ["user@registry.example/os", /registry that is none/],
  ["registry.example?x/os", /registry that is none/],
  ["https://registry.example/os", /begins with https/],
  ["https://me:secret@files.example/edge/", /folder on an HTTP server that is none/],
  ["https://files.example/edge/?token=1/", /folder on an HTTP server that is none/],
  ["https://files.example\\edge/", /begins with https|that is none/],
  ["https://files.example/edge/:-v1", /tag that is none/],
  ["docker://registry.example/os", /begins with docker/],
  ["http://registry.example", /names no repository/],
  ["registry.example/os@sha256:00", /digest that is not sha256/],
  [`registry.example/os@${DIGEST.toUpperCase().replace("SHA", "sha")}`, /digest that is not sha256/],
  [`registry.example/os@sha512:${"0".repeat(128)}`, /digest that is not sha256/],
  [`registry.example/${"a".repeat(300)}`, /more than 255/],
  ["oci:", /names no folder/],
  ["oci::v1", /names no folder/],
  ["oci-archive:", /names no file/],
  ["oci:out:v 1", /tag that is none/],
  ["x".repeat(5000), /longer than/],
] as const) {
  test(`${JSON.stringify(text.slice(0, 60))} is refused, and said why`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => error instanceof AppError && error.code === "REFERENCE_INVALID" && why.test(error.message),
    );
  });
}

test("only http:// asks for plain HTTP: loopback is asked by HTTPS like any other", () => {
  for (const [text, origin] of [
    ["localhost:5000/os", "https://localhost:5000"],
    ["127.0.0.1/os", "https://127.0.0.1"],
    ["http://localhost:5000/os", "http://localhost:5000"],
    ["debian", "https://registry-1.docker.io"],
  ] as const) {
    const reference = parseReference(text);
    assert.ok(reference.kind === "registry");
    assert.equal(registryOrigin(reference), origin);
  }
});

test("whatever is written is refused with an error of its own, or is a reference whose URLs stay where they should", () => {
  const word = fc.constantFrom(
    "oci:",
    "oci-archive:",
    "http://",
    "https://",
    "a",
    "B",
    ".",
    "/",
    ":",
    "@",
    "sha256:",
    DIGEST,
    "[",
    "]",
    "..",
    "?",
    "#",
    "\0",
    "%2f",
    "5000",
    "é",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map((words) => words.join("")),
      ),
      (text) => {
        let reference: Reference;
        try {
          reference = parseReference(text);
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === "REFERENCE_INVALID", String(error));
          return;
        }
        assert.deepEqual(parseReference(formatReference(reference)), reference);
        if (reference.kind === "web") {
          const folder = new URL(reference.url);
          assert.equal(new URL("index.json", folder).href, `${reference.url}index.json`);
          assert.equal(folder.username + folder.search + folder.hash, "");
        }
        if (reference.kind !== "registry") return;
        const path = `/v2/${reference.repository}/manifests/${reference.digest ?? reference.tag ?? "latest"}`;
        const url = new URL(`${registryOrigin(reference)}${path}`);
        assert.equal(url.pathname, path);
        assert.equal(url.username + url.search + url.hash, "");
      },
    ),
    { numRuns: 5000 },
  );
});
