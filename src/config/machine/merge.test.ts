import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { gunzip } from "../../host/gunzip.ts";
import { effectiveConfig, mergeTrees } from "./merge.ts";
import { parseDocument, type ParsedDocument } from "./parse.ts";
import { problemText } from "./problems.ts";
import { renderYaml, shownTree, sourcesOf } from "./render.ts";
import { plain } from "./tree.ts";

const HEAD = "#cloud-config\n";
const read = (text: string, origin: string): ParsedDocument => {
  const document = parseDocument(HEAD + text, origin);
  assert.deepEqual(document.problems.map(problemText), [], text);
  return document;
};
const documentsOf = (...texts: string[]): ParsedDocument[] => texts.map((text, index) => read(text, "abc"[index]!));
const merged = (...texts: string[]): unknown => plain(mergeTrees(documentsOf(...texts).map(({ tree }) => tree)));

suite("two documents", () => {
  const cases: readonly (readonly [what: string, below: string, above: string, expected: object])[] = [
    [
      "a value takes the place of the earlier one",
      "hostname: a\ntimezone: UTC",
      "hostname: b",
      { hostname: "b", timezone: "UTC" },
    ],
    ["mappings are merged by key", "sysctl: { a.b: 1, c.d: 2 }", "sysctl: { c.d: 3 }", { sysctl: { "a.b": 1, "c.d": 3 } }],
    [
      "users by name",
      "users: [{ name: a, uid: 5 }, b]",
      "users: [{ name: a, gecos: A }, c]",
      { users: [{ name: "a", uid: 5, gecos: "A" }, { name: "b" }, { name: "c" }] },
    ],
    [
      "windows of updates are the later ones, and a channel is one value in whichever form",
      "updates: { channel: stable, check: 1h, windows: [{ start: '02:00', length: 3h }], exceptions: [{ from: 2026-12-24 }] }",
      "updates: { channel: { versions: ^1 }, windows: [], exceptions: [{ from: 2026-12-31 }] }",
      {
        updates: {
          ...{ channel: { versions: "^1" }, check: "1h", windows: [] },
          exceptions: [{ from: "2026-12-24" }, { from: "2026-12-31" }],
        },
      },
    ],
    [
      "groups in whichever form",
      "groups: a, b",
      "groups: [{ a: [x] }]",
      { groups: { a: { members: ["x"] }, b: { members: [] } } },
    ],
    [
      "files by path, whole",
      "write_files: [{ path: /etc/a, content: eA==, encoding: b64 }]",
      "write_files: [{ path: /etc/a, content: y }]",
      { write_files: [{ path: "/etc/a", content: "y" }] },
    ],
    [
      "what is appended to a file is added",
      "write_files: [{ path: /etc/a, content: x }]",
      "write_files: [{ path: /etc/a, content: y, append: true }]",
      {
        write_files: [
          { path: "/etc/a", content: "x" },
          { path: "/etc/a", content: "y", append: true },
        ],
      },
    ],
    [
      "units by name, their drop-ins too",
      "units: [{ name: a.service, drop_ins: [{ name: x.conf, content: x }] }]",
      "units: [{ name: a.service, enable: true, drop_ins: [{ name: x.conf, content: y }] }]",
      { units: [{ name: "a.service", drop_ins: [{ name: "x.conf", content: "y" }], enable: true }] },
    ],
    [
      "a container's command is one value",
      "containers: [{ name: a, image: i, command: [x, y], ports: ['1:1'] }]",
      "containers: [{ name: a, image: j, command: [z], ports: ['2:2'] }]",
      { containers: [{ name: "a", image: "j", command: ["z"], ports: ["1:1", "2:2"] }] },
    ],
    [
      "commands follow one another, the same ones once",
      "runcmd: [a, b]",
      "runcmd: [b, [c, d]]",
      { runcmd: ["a", "b", ["c", "d"]] },
    ],
    [
      "steps with a name by it, whole; others follow",
      "stages: { boot: [{ name: x, if: 'y', commands: [a] }, { commands: [b] }] }",
      "stages: { boot: [{ name: x, commands: [c] }, { commands: [d] }] }",
      { stages: { boot: [{ name: "x", commands: ["c"] }, { commands: ["b"] }, { commands: ["d"] }] } },
    ],
    [
      "modules in whichever form",
      "modules: [a, b]",
      "modules: [{ name: a, options: x }]",
      { modules: [{ name: "a", options: "x" }, { name: "b" }] },
    ],
    ["mounts by where", "mounts: [[a, /srv/a]]", "mounts: [[b, /srv/a]]", { mounts: [["b", "/srv/a"]] }],
    [
      "a percentage of a disk is none of another's",
      "disk_setup: { /dev/vdb: { layout: [50, 50] } }",
      "disk_setup: { /dev/vdb: { layout: [100] } }",
      { disk_setup: { "/dev/vdb": { layout: [100] } } },
    ],
  ];
  for (const [what, below, above, expected] of cases) test(what, () => assert.deepEqual(merged(below, above), expected));

  test("a value knows where it comes from", () => {
    const { tree } = effectiveConfig(
      documentsOf("hostname: a\nusers: [{ name: a,\n uid: 5 }]\nruncmd: [x]", "users:\n - name: a\n   gecos: A\nruncmd: [y]"),
      gunzip,
    );
    assert.deepEqual(sourcesOf(tree), {
      hostname: "a:2",
      "users[0].name": "b:3",
      "users[0].uid": "a:4",
      "users[0].gecos": "b:4",
      "runcmd[0]": "a:5",
      "runcmd[1]": "b:5",
    });
  });

  test("steps of one may wait for steps of another; those that wait for nobody's, or for each other, are left out and told", () => {
    const [below, above] = ["stages: { boot: [{ name: a }] }", "stages: { boot: [{ name: b, after: [a] }] }"];
    const { config, problems } = effectiveConfig(documentsOf(below, above), gunzip);
    assert.deepEqual([config.stages.boot?.map(({ name }) => name), problems], [["a", "b"], []]);
    const wrong = effectiveConfig(
      documentsOf(above, "stages: { boot: [{ name: c, after: [{ name: d }] }, { name: d, after: [c] }, {}] }"),
      gunzip,
    );
    assert.deepEqual(wrong.problems.map(problemText), [
      'a:2:37: stages.boot[0].after[0]: "a" is no step of this stage',
      'b:2:37: stages.boot[0].after[0]: "d" comes after this step, too: that is a circle',
      'b:2:72: stages.boot[1].after[0]: "c" comes after this step, too: that is a circle',
    ]);
    assert.equal(wrong.config.stages.boot?.length, 1);
  });

  test("that are sound alone and not together are told", () => {
    const wrong = effectiveConfig(documentsOf("write_files: [{ path: /etc/a, content: x }]", "password: '!'"), gunzip);
    assert.deepEqual(wrong.problems.map(problemText), ["b:2:1: password: needs user, which says whose it is"]);
    const disk = "disk_setup: { /dev/vdb: { layout: [50, 50] } }";
    const disks: readonly (readonly [fileSystem: string, problem: string | undefined])[] = [
      ["partition: 2", undefined],
      ["label: data", undefined],
      ["partition: 3", "must be at most 2: disk_setup makes no more there"],
      ["partition: none", "would be in the place of the table that disk_setup makes there: give its number"],
      ["overwrite: true", "would be in the place of the table that disk_setup makes there: give its number"],
    ];
    for (const [fileSystem, problem] of disks) {
      const found = effectiveConfig(
        documentsOf(disk, `fs_setup: [{ device: /dev/vdb, filesystem: ext4, ${fileSystem} }]`),
        gunzip,
      );
      assert.deepEqual(
        found.problems.map(({ message }) => message),
        problem === undefined ? [] : [problem],
        fileSystem,
      );
      assert.equal(found.config.fileSystems.length, problem === undefined ? 1 : 0, "at boot it is left out");
    }
  });
});

suite("what is rendered", () => {
  const text = `users: [{ name: a, passwd: $6$abcdefgh$hunter2hunter2 }]
write_files: [{ path: /etc/a, content: "hunter2\\n" }]
environment: { TOKEN: hunter2 }
containers: [{ name: a, image: i, environment: { TOKEN: hunter2 } }]
proxy: { https: 'https://u:hunter2@proxy.example' }
network: { version: 2, wifis: { wlan0: { access-points: { home: { password: hunter2-hunter2 } } } } }
stages: { boot: [{ environment: { A: hunter2 }, downloads: [{ path: /etc/b, url: 'https://x/?t=hunter2' }], ensure_entities: [{ entity: "{ kind: shadow, username: a, password: hunter2 }" }] }] }
`;
  test("has no secret, and says nothing of one", () => {
    const { tree } = effectiveConfig(documentsOf(text), gunzip);
    const options = { showSecrets: false };
    const yaml = renderYaml(tree, options);
    assert.doesNotMatch(yaml + JSON.stringify(plain(shownTree(tree, options))), /hunter2/);
    assert.match(yaml, /TOKEN: <secret> # a:4$/m);
    assert.match(yaml, /home:\n +password: <secret>/);
  });

  test("is the same config again, with --show-secrets", () => {
    const effective = effectiveConfig(documentsOf(text, "hostname: x\ngroups: a, b\nlocale: false"), gunzip);
    const again = effectiveConfig([read(renderYaml(effective.tree, { showSecrets: true }).replace(HEAD, ""), "again")], gunzip);
    assert.deepEqual(again.config, effective.config);
  });

  test("is an empty mapping, of nothing", () => {
    assert.equal(renderYaml(effectiveConfig([], gunzip).tree, { showSecrets: false }), "#cloud-config\n{}\n");
  });
});

/** Documents that are sound, of few names, so that they meet. */
const name = fc.constantFrom("a", "b", "c");
const names = fc.uniqueArray(name, { maxLength: 3 });
const entries = <T>(key: string, fields: fc.Arbitrary<T>) =>
  fc.uniqueArray(
    fc
      .tuple(name, fields)
      .map(([one, more]): Record<string, unknown> => ({ [key]: key === "path" ? `/etc/${one}` : one, ...more })),
    { selector: (item) => item[key], maxLength: 3 },
  );
const sound = fc.record(
  {
    hostname: name,
    users: fc.oneof(
      entries(
        "name",
        fc.record(
          {
            gecos: name,
            groups: fc.oneof(
              names,
              names.map((all) => all.join(",")),
            ),
            sudo: fc.oneof(name, fc.constant(false), names),
          },
          { requiredKeys: [] },
        ),
      ),
      names,
    ),
    groups: fc.oneof(
      names,
      names.map((all) => all.join(", ")),
      fc.dictionary(name, names),
    ),
    write_files: entries("path", fc.record({ content: name, append: fc.boolean() }, { requiredKeys: [] })),
    runcmd: fc.array(fc.oneof(name, fc.array(name, { minLength: 1, maxLength: 2 }), fc.constant(null)), { maxLength: 4 }),
    sysctl: fc.dictionary(fc.constantFrom("a.b", "c.d"), fc.integer({ min: 0, max: 2 })),
    modules: fc.oneof(names, entries("name", fc.record({ options: name }, { requiredKeys: [] }))),
    units: entries(
      "name",
      fc.record(
        {
          enable: fc.boolean(),
          drop_ins: fc
            .uniqueArray(name, { maxLength: 2 })
            .map((all) => all.map((one) => ({ name: `${one}.conf`, content: one }))),
        },
        { requiredKeys: [] },
      ),
    ).map((all) => all.map((unit) => ({ ...unit, name: `${String(unit["name"])}.service` }))),
    ntp: fc.oneof(fc.constant(null), fc.record({ servers: names }, { requiredKeys: [] })),
    kernel: fc.record({ args: fc.oneof(names, fc.record({ append: names, remove: names }, { requiredKeys: [] })) }),
    stages: fc.dictionary(
      fc.constantFrom("boot", "fs.after"),
      fc.uniqueArray(
        fc.record({ name, commands: names, if_files: fc.constantFrom(["/a"], { any: ["/b"] }) }, { requiredKeys: ["commands"] }),
        { selector: (step) => step.name ?? step, maxLength: 3 },
      ),
    ),
    network: fc.record({
      version: fc.constant(2),
      ethernets: fc.dictionary(
        name,
        fc.record(
          { dhcp4: fc.constantFrom(true, "no"), addresses: names.map((all) => all.map((one) => `fd00::${one}/64`)) },
          { requiredKeys: [] },
        ),
      ),
    }),
  },
  { requiredKeys: [] },
);
const document = fc.tuple(sound, name).map(([value, origin]) => read(JSON.stringify(value), origin));

suite("whatever sound documents there are", () => {
  const runs = { numRuns: 200 };

  test("it does not matter which of them are merged first", () => {
    fc.assert(
      fc.property(document, document, document, ({ tree: a }, { tree: b }, { tree: c }) => {
        const whole = mergeTrees([a, b, c]);
        assert.deepEqual(mergeTrees([mergeTrees([a, b]), c]), whole);
        assert.deepEqual(mergeTrees([a, mergeTrees([b, c])]), whole);
      }),
      runs,
    );
  });

  test("a document with itself is itself, and a config that is merged with what it was made from stays as it is", () => {
    fc.assert(
      fc.property(document, document, ({ tree: a }, { tree: b }) => {
        assert.deepEqual(mergeTrees([a, a]), a);
        const ab = mergeTrees([a, b]);
        assert.deepEqual(plain(mergeTrees([ab, b])), plain(ab));
      }),
      runs,
    );
  });

  test("what they come to is sound, and every value of it stands in the document that is named", () => {
    fc.assert(
      fc.property(document, document, (a, b) => {
        const [first, second] = [{ ...a, origin: "x" }, b];
        const effective = effectiveConfig([first, second], gunzip);
        assert.deepEqual(effective.problems.map(problemText), []);
        const again = read(renderYaml(effective.tree, { showSecrets: true }).replace(HEAD, ""), "again");
        assert.deepEqual(effectiveConfig([again], gunzip).config, effective.config);
      }),
      runs,
    );
  });
});
