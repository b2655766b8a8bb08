import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkedUrl,
  configWords,
  isConfigName,
  isEc2Machine,
  noCloudSeed,
  serialSeed,
  type NoCloudSeed,
} from "./config-sources.ts";

for (const [name, is] of [
  ["machine.yaml", true],
  ["50-site.yml", true],
  ["_a.b+c@d-e.yaml", true],
  [".hidden.yaml", false],
  ["site.yaml~", false],
  ["site.yaml.bak", false],
  ["-rf.yaml", false],
  ["a b.yaml", false],
  ["a\u001b[2J.yaml", false],
  ["../x.yaml", false],
  [`${"x".repeat(300)}.yaml`, false],
] as const) {
  test(`${JSON.stringify(name.slice(0, 30))} is ${is ? "a" : "no"} machine config by its name`, () =>
    assert.equal(isConfigName(name), is));
}

const seeds: readonly (readonly [string, Omit<NoCloudSeed, "problems"> & { problems?: number }])[] = [
  ["nocloud", {}],
  ["NoCloud;s=http://10.0.0.1:8000/", { url: "http://10.0.0.1:8000/" }],
  ["nocloud-net;seedfrom=https://a/b", { url: "https://a/b/" }],
  ["nocloud;i=web-1;h=web", { instance: "web-1", hostname: "web" }],
  ["nocloud;instance-id=x=y;local-hostname=w;;", { instance: "x=y", hostname: "w" }],
  ["nocloud;s=/var/seed/", { problems: 1 }],
  ["nocloud;s=file:///seed/", { problems: 1 }],
  ["nocloud;s=ftp://a/", { problems: 1 }],
  ["nocloud;s=http://a/__dmi.system-uuid__/", { problems: 1 }],
  ["nocloud;what=1;i=x", { instance: "x", problems: 1 }],
];
for (const [text, { problems = 0, ...seed }] of seeds) {
  test(`ds=${text}`, () => {
    const { problems: found, ...rest } = noCloudSeed(text)!;
    assert.deepEqual([rest, found.length], [seed, problems]);
  });
}

test("other data sources are none of NoCloud", () => {
  for (const text of ["", "ec2", "openstack;s=http://a/", "nocloudy"]) assert.equal(noCloudSeed(text), undefined);
  assert.equal(serialSeed({ product_serial: "nocloud;s=http://a/" }), undefined);
  assert.equal(serialSeed({ product_serial: "ds=nocloud;s=http://a/" })?.url, "http://a/");
});

test("words of the command line: petrify's own before the other, the last one of two, quotes around what has a semicolon", () => {
  assert.deepEqual(configWords("quiet"), { isEc2: false });
  assert.deepEqual(configWords("config_url=http://b/"), { url: "http://b/", isEc2: false });
  const words = configWords('petrify.config_url=http://x/ petrify.config_url=http://a/ config_url=http://b/ "ds=nocloud;i=1"');
  assert.deepEqual(words, { url: "http://a/", nocloud: { instance: "1", problems: [] }, isEc2: false });
  assert.equal(configWords("ds=Ec2;x").isEc2, true);
});

const DIGITS = "0123456789abcdef".repeat(4);
for (const [url, sha256, is] of [
  ["http://a/x", undefined, "http://a/x"],
  ["http://a/x", DIGITS, `http://a/x#sha256=${DIGITS}`],
  ["http://a/x", `sha256:${DIGITS.toUpperCase()}`, `http://a/x#sha256=${DIGITS}`],
  ["http://a/x", "abc", undefined],
  ["http://a/x", "", undefined],
  [`http://a/x#sha256=${DIGITS}`, DIGITS, undefined],
  ["ftp://a/x", undefined, undefined],
  ["http:///x", undefined, undefined],
  ["http://a b", undefined, undefined],
] as const) {
  test(`${url.slice(0, 20)} with checksum ${sha256?.slice(0, 10)} is ${is === undefined ? "refused" : "taken"}`, () => {
    assert.equal(checkedUrl(url, sha256), is);
  });
}

test("a machine of EC2 is known by what its firmware says, not by its disk", () => {
  assert.equal(isEc2Machine({ sys_vendor: "Amazon EC2" }), true);
  assert.equal(isEc2Machine({ product_uuid: "EC2E1916-9099", product_serial: "ec2e1916-9099" }), true);
  // One in so many random ids begins so, too.
  assert.equal(isEc2Machine({ product_uuid: "ec2e1916-9099", product_serial: "1234" }), false);
  assert.equal(isEc2Machine({ sys_vendor: "QEMU" }), false);
  assert.equal(isEc2Machine({}), false);
});
