import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertStorable, tolerantly } from "../../../../tests/support/compile-cases.ts";
import type { NodeConfig } from "../node-config.ts";
import { fakeContainer, fakeFile, fakeStep, fakeUnit, fakeUser } from "./fake-config.ts";
import { alpine, debian, fedora } from "./fake-image.ts";
import { planChanges } from "./plan-changes.ts";
import { planText } from "./plan-text.ts";

const INJECTED = "INJECTED";
/** What may be written for any word of a config: the usual, and what would be a line, a word, a section or a path of its own. */
const word = fc.oneof(
  fc.constantFrom("web", "a.example", "ALL=(ALL) ALL", "/etc/app", "/srv/x", "1", "de", "x.service"),
  fc.constantFrom(
    ...[`a\n${INJECTED}`, `a\r${INJECTED}`, `\n${INJECTED}\n`, `a" \n${INJECTED}`, `a'\n${INJECTED}`, `a\\\n${INJECTED}`],
    ...[`a\u2028${INJECTED}`, `a\0${INJECTED}`, `a\x85${INJECTED}`],
    ...[
      "../../etc/shadow",
      "/etc/../usr",
      "a:b:0:0",
      "a,b",
      "",
      " ",
      "%i",
      "$(id)",
      "`id`",
      "]\n[Service]",
      "__proto__",
      "-x",
      "#x",
      "\ud800",
    ],
  ),
  fc.string({ maxLength: 8 }),
);
const words = fc.array(word, { maxLength: 3 });
const named = fc.dictionary(word, word, { maxKeys: 3 });
const maybe = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined });
/** Without the keys that have no value. */
const record = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;

const user = fc
  .tuple(
    word,
    record({
      gecos: word,
      home: word,
      shell: word,
      primaryGroup: word,
      groups: words,
      passwordHash: word,
      authorizedKeys: words,
      sudo: words,
      uid: fc.integer(),
    }),
  )
  .map(([name, about]) => fakeUser(name, about));
const container = fc
  .tuple(
    word,
    record({
      image: word,
      command: words,
      environment: named,
      ports: words,
      volumes: words,
      network: word,
      user: word,
      quadlet: fc.dictionary(fc.oneof(word, fc.constant("Container")), words, { maxKeys: 2 }),
    }),
  )
  .map(([name, about]) => fakeContainer(name, about));
const mount = fc.record({ what: word, where: word, type: word, options: word, pass: fc.nat(2) });
const module = fc
  .tuple(word, maybe(word), fc.boolean())
  .map(([name, options, blacklist]) => ({ name, blacklist, ...(options !== undefined && { options }) }));
const ntp = fc.record({ enabled: fc.boolean(), servers: words, pools: words });
const step = fc
  .tuple(
    record({
      hostname: word,
      sysctl: named,
      environment: named,
      environmentFile: word,
      authorizedKeys: fc.dictionary(word, words, { maxKeys: 2 }),
    }),
    word,
    words,
  )
  .map(([about, path, lines]) =>
    fakeStep("s", {
      ...about,
      directories: [{ path, mode: 0o755, owner: "root" }],
      dns: { nameservers: lines, search: lines, options: [] },
      entities: lines.map((line) => ({ kind: "user" as const, line: `${line}:x:5:5::/x:` })),
      systemctl: { enable: lines, disable: lines, start: [], stop: [], restart: [], mask: lines },
    }),
  );
const config: fc.Arbitrary<Partial<NodeConfig>> = record({
  ...{ hostname: word, fqdn: word, manageEtcHosts: fc.boolean(), defaultUser: word, timezone: word, locale: word, ntp },
  ...{ authorizedKeys: words, sshPasswords: fc.boolean(), environment: named, sysctl: named, persistent: words },
  users: fc.array(user, { maxLength: 2 }),
  groups: fc.array(fc.record({ name: word, gid: fc.integer(), members: words }), { maxLength: 2 }),
  files: fc.array(word, { maxLength: 2 }).map((paths) => paths.map((path) => fakeFile(path, { owner: path }))),
  keyboard: fc.record({ layout: word, model: word, variant: word, options: word }),
  certificates: fc.record({ removeDefaults: fc.boolean(), trusted: words }),
  proxy: fc.record({ http: word, https: word, none: words }),
  modules: fc.array(module, { maxLength: 2 }),
  units: fc
    .array(fc.tuple(word, word, fc.boolean()), { maxLength: 2 })
    .map((all) =>
      all.map(([name, dropIn, enabled]) => fakeUnit(name, { dropIns: [{ name: dropIn, content: "[Service]\n" }], enabled })),
    ),
  containers: fc.array(container, { maxLength: 2 }),
  mounts: fc.array(mount, { maxLength: 2 }),
  stages: step.map((one) => ({ rootfs: [one] })),
});

test("no value of a config is a line of a file that is generated, leaves its place, or stops the rest", () => {
  fc.assert(
    fc.property(config, fc.constantFrom(debian, fedora, alpine), (about, image) => {
      const compilation = tolerantly(about, image());
      const { compiled, unsupported } = compilation;
      for (const { path, what } of compiled.entries) {
        assert.match(path, /^\/(?:etc|var|home|root|opt|srv|usr\/local|oem|mnt)\//);
        assert.doesNotMatch(path, /\/\.\.?(?:\/|$)|[\n\0]|^\/etc\/(?:passwd|shadow|group|fstab)$|^\/oem\/petrify/);
        if (what.is === "file" && "text" in what.content) assert.doesNotMatch(what.content.text, /[\n\r\0]\s*INJECTED/, path);
      }
      assertStorable(compilation);
      planText(planChanges(undefined, compilation));
      for (const { key, problem } of unsupported) assert.ok(key !== "" && problem !== "");
    }),
    { numRuns: process.env["PETRIFY_TEST"] === "full" ? 2000 : 200 },
  );
});
