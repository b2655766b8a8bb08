import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeCheckedLines } from "./checked-lines.ts";
import { COMPILED_LIMIT, decodeCompiledConfig, encodeCompiledConfig, type CompiledConfig } from "./compiled-config.ts";
import { DEFAULT_HEALTH_PLAN } from "./health-plan.ts";

const DIGEST = "ab".repeat(32);
const config: CompiledConfig = {
  config: DIGEST,
  image: { name: "edge", version: "1.4.0" },
  hostname: "edge-7",
  accounts: {
    users: [
      {
        ...{
          name: "ada",
          isSystem: false,
          groups: ["sudo"],
          makeHome: true,
          gecos: "Ada \u00e9",
          home: "/home/ada",
          shell: "/bin/sh",
        },
        ...{ password: "$6$x$y", expires: 20_000, uid: 1500, group: "staff" },
      },
    ],
    groups: [{ name: "staff", gid: 50, members: [] }],
  },
  entries: [
    { path: "/etc/app", when: "root", owner: "root:root", what: { is: "folder", mode: 0o755 } },
    {
      ...{ path: "/etc/app/x", when: "root", owner: "ada:staff", recovery: true },
      what: { is: "file", mode: 0o640, content: { text: "\u00fc \u{1f600}\n\0" }, append: true },
    },
    { path: "/home/ada/b", when: "data", owner: "0:0", what: { is: "file", mode: 0o4755, content: { base64: "AAEC" } } },
    { path: "/etc/localtime", when: "root", owner: "root:root", what: { is: "link", to: "/usr/share/zoneinfo/UTC" } },
    { path: "/etc/motd", when: "root", owner: "root:root", what: { is: "gone" } },
  ],
  persistent: ["/var/lib/app"],
  health: DEFAULT_HEALTH_PLAN,
  stages: ["network.after"],
};
const fileOf = (value: unknown): string => encodeCheckedLines("petrify-config", 1, [JSON.stringify(value)]);
const changed = (change: Readonly<Record<string, unknown>>): string => fileOf({ ...config, ...change });

test("a config is read back, in a file of ASCII alone", () => {
  const text = encodeCompiledConfig(config);
  assert.match(text, /^[\n\u0020-\u007e]*$/);
  assert.match(text, /^petrify-config 1\n\{[^\n]*\}\ncrc32 [0-9a-f]{8}\n$/);
  assert.deepEqual(decodeCompiledConfig(text), { is: "whole", value: config });
});

test("no flipped byte and no cut passes for a config", () => {
  const text = encodeCompiledConfig(config);
  for (let at = 0; at < text.length; at++) {
    const flipped = String.fromCharCode(text.charCodeAt(at) ^ 0x04);
    assert.equal(decodeCompiledConfig(text.slice(0, at) + flipped + text.slice(at + 1)).is, "damaged", `byte ${at}`);
    assert.equal(decodeCompiledConfig(text.slice(0, at)).is, "damaged", `cut at ${at}`);
  }
});

test("a newer format is told from damage, and what it says besides is passed over", () => {
  assert.deepEqual(decodeCompiledConfig(encodeCheckedLines("petrify-config", 3, ["anything"])), { is: "newer", format: 3 });
  assert.equal(decodeCompiledConfig(changed({ more: 1, entries: [{ ...config.entries[0], more: {} }] })).is, "whole");
});

const entry = (change: Readonly<Record<string, unknown>>) => ({ entries: [{ ...config.entries[0], ...change }] });
const user = (change: Readonly<Record<string, unknown>>) => ({
  accounts: { groups: [], users: [{ ...config.accounts.users[0], ...change }] },
});
const WRONG: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "a digest that is none": { config: "ab" },
  "no image": { image: undefined },
  "a host name of two lines": { hostname: "a\nb" },
  "entries that are no list": { entries: {} },
  "a path that goes up": entry({ path: "/etc/../usr/x" }),
  "a path that is none": entry({ path: "etc" }),
  "a path with NUL": entry({ path: "/etc/a\0b" }),
  "another moment": entry({ when: "later" }),
  "a thing that is nothing": entry({ what: { is: "device" } }),
  "a thing of Object's own": entry({ what: { is: "constructor" } }),
  "more than permission bits": entry({ what: { is: "folder", mode: 0o10000 } }),
  "a file of two contents": entry({ what: { is: "file", mode: 0o644, content: { text: "", base64: "" } } }),
  "a file of none": entry({ what: { is: "file", mode: 0o644, content: {} } }),
  "a link to nothing": entry({ what: { is: "link", to: "" } }),
  "a name with a colon": user({ name: "a:b" }),
  "a name that is a number": user({ name: "1000" }),
  "a name of two lines": user({ name: "a\nroot" }),
  "a shell of two lines": user({ shell: "/bin/sh\nx::0:0::/:/bin/sh" }),
  "a password that ends its field": user({ password: "x:0" }),
  "a group with a comma": user({ groups: ["a,b"] }),
  "a number below 0": user({ uid: -1 }),
  "a number that means none": user({ uid: 4_294_967_295 }),
  "a persistent folder that is none": { persistent: ["/"] },
};
for (const [what, change] of Object.entries(WRONG)) {
  test(`${what} is no config`, () => assert.equal(decodeCompiledConfig(changed(change)).is, "damaged"));
}

test("a config that is larger than any is neither written nor read", () => {
  const text = "x".repeat(COMPILED_LIMIT);
  const large = {
    ...config,
    entries: [{ ...config.entries[1]!, what: { is: "file", mode: 0o644, content: { text } } } as const],
  };
  assert.throws(() => encodeCompiledConfig(large), { code: "CONFIG_TOO_LARGE", message: /comes to 16\.0 MiB on this image/ });
  assert.equal(decodeCompiledConfig(fileOf(large)).is, "damaged");
});

test("whatever it is given, it does not throw", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      let text: string | undefined;
      try {
        text = JSON.stringify(value);
      } catch {
        return; // nothing that a file can hold
      }
      assert.equal(decodeCompiledConfig(encodeCheckedLines("petrify-config", 1, [text ?? ""])).is, "damaged");
    }),
  );
  const keys = fc.constantFrom(...Object.keys(config));
  fc.assert(
    fc.property(keys, fc.anything(), (key, value) => {
      let text: string;
      try {
        text = changed({ [key]: value });
      } catch {
        return;
      }
      decodeCompiledConfig(text);
    }),
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void decodeCompiledConfig(text)));
});
