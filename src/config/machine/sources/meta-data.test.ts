import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocument } from "../parse.ts";
import { plain } from "../tree.ts";
import { ec2Meta, instanceOf, metaDocument, noCloudMeta, openStackMeta, type MetaData } from "./meta-data.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKn9cO2yPpVtl1hW0cVb2v6vC1w0Yh7kLGm5nB1yQXcA ops@desk";

for (const [what, text, meta] of [
  ["nothing", "", { keys: [] }],
  ["comments", "# nothing\n", { keys: [] }],
  ["YAML", "instance-id: iid-1\nlocal-hostname: web-1\n", { instance: "iid-1", hostname: "web-1", keys: [] }],
  ["JSON", '{"instance-id": 5, "hostname": "a.example"}', { instance: "5", hostname: "a.example", keys: [] }],
  ["its own first line", "#cloud-config\ninstance-id: x\n", { instance: "x", keys: [] }],
  ["a list of keys", `public-keys: ["${KEY}", "${KEY}"]`, { keys: [KEY] }],
  ["keys in lines", `public-keys: |\n  ${KEY}\n  # no key\n`, { keys: [KEY] }],
  ["keys by name", `public-keys: { a: "${KEY}" }`, { keys: [KEY] }],
  ["keys as EC2 has them", `public-keys: { "0": { openssh-key: "${KEY}" } }`, { keys: [KEY] }],
  ["other kinds", "instance-id: [1]\nlocal-hostname: 5\npublic-keys: 7\n", { keys: [] }],
] as const) {
  test(`meta-data of NoCloud: ${what}`, () => assert.deepEqual(noCloudMeta(bytes(text), "m"), meta));
}

test("what is no meta-data says where, in the lines that it has, and no value", () => {
  const found = (text: string): string => (noCloudMeta(bytes(text), "cidata/meta-data") as { problem: string }).problem;
  assert.match(found("a: hunter2\na: x\n"), /^cidata\/meta-data:2:1: is here for the second time/);
  assert.match(found("- hunter2\n"), /^cidata\/meta-data:1:1: .*mapping/);
  assert.match(found("x: &a [*a]\n"), /anchor that holds itself/);
  assert.match(found("seedfrom: http://a/\n"), /seedfrom is not followed/);
  for (const text of ["a: hunter2\na: x\n", "- hunter2\n"]) assert.doesNotMatch(found(text), /hunter/);
});

test("meta_data.json of OpenStack, and values of EC2", () => {
  const json = JSON.stringify({
    uuid: "83679162-1378",
    hostname: "web.novalocal",
    public_keys: { mine: `${KEY}\n` },
    random_seed: "x",
  });
  assert.deepEqual(openStackMeta(bytes(json), "m"), { instance: "83679162-1378", hostname: "web.novalocal", keys: [KEY] });
  assert.deepEqual(ec2Meta("i-1\n", "ip-10-0-0-1.ec2.internal\n", [`${KEY}\n`]), {
    ...{ instance: "i-1", hostname: "ip-10-0-0-1.ec2.internal", keys: [KEY] },
  });
});

test("as a document it is a sound machine config, from which the instance can be read again", () => {
  const text = metaDocument({ instance: "i-1 x", hostname: "Web-1.Example.COM.", keys: [KEY] })!;
  const { tree, problems } = parseDocument(text, "m");
  assert.deepEqual(problems, []);
  assert.deepEqual(plain(tree), { hostname: "web-1", fqdn: "web-1.example.com", ssh_authorized_keys: [KEY] });
  assert.equal(instanceOf(text), "i-1 x");
  const only = metaDocument({ instance: "i-2", keys: [] })!;
  assert.deepEqual(plain(parseDocument(only, "m").tree), {});
  assert.equal(instanceOf(only), "i-2");
  assert.equal(instanceOf("#cloud-config\nhostname: a\n"), undefined);
});

for (const instance of ["", " ", "a\nhostname: evil", "x".repeat(201), "\u001b[2J", "é"]) {
  test(`${JSON.stringify(instance.slice(0, 20))} is no instance`, () => {
    const meta: MetaData = { instance, keys: [] };
    assert.equal(metaDocument(meta), undefined);
    assert.equal(instanceOf(metaDocument({ ...meta, hostname: "a" })!), undefined);
  });
}
