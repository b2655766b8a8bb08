import assert from "node:assert/strict";
import { test } from "node:test";
import { disableLinks, enableLinks } from "./enable-unit.ts";
import { fakeUnit } from "./fake-config.ts";
import type { FakeFiles } from "../../../layout/fake-tree.ts";
import { debian } from "./fake-image.ts";
import { installSection } from "./unit-text.ts";

const install = (lines: string): string => `[Unit]\nDescription=x\n[Install]\n${lines}\n`;
const IMAGE: FakeFiles = {
  "/usr/lib/systemd/system/a.service": install("WantedBy=multi-user.target\nAlso=a.socket"),
  "/usr/lib/systemd/system/a.socket": install("WantedBy=sockets.target"),
  "/usr/lib/systemd/system/r@.service": install("WantedBy=%i.target\nRequiredBy=basic.target\nAlias=%p-%j@%i.service"),
  "/etc/systemd/system/sockets.target.wants/a.socket": { link: "/usr/lib/systemd/system/a.socket" },
  "/etc/systemd/system/multi-user.target.wants/a.service": { link: "/usr/lib/systemd/system/a.service" },
};

/** As `systemctl --root=TREE enable NAME` of systemd 252 makes them. */
for (const [what, name, expected] of [
  [
    "what goes along is enabled too",
    "a.service",
    [
      "multi-user.target.wants/a.service -> /usr/lib/systemd/system/a.service",
      "sockets.target.wants/a.socket -> /usr/lib/systemd/system/a.socket",
    ],
  ],
  [
    "an alias stands for its unit",
    "sshd.service",
    [
      "multi-user.target.wants/ssh.service -> /usr/lib/systemd/system/ssh.service",
      "sshd.service -> /usr/lib/systemd/system/ssh.service",
    ],
  ],
  [
    "a template has its usual instance",
    "getty@.service",
    ["getty.target.wants/getty@tty1.service -> /usr/lib/systemd/system/getty@.service"],
  ],
  [
    "or the one that is named",
    "getty@tty7.service",
    ["getty.target.wants/getty@tty7.service -> /usr/lib/systemd/system/getty@.service"],
  ],
  [
    "specifiers are those of the instance",
    "r@x.service",
    [
      "x.target.wants/r@x.service -> /usr/lib/systemd/system/r@.service",
      "basic.target.requires/r@x.service -> /usr/lib/systemd/system/r@.service",
      "r-r@x.service -> /usr/lib/systemd/system/r@.service",
    ],
  ],
] as const) {
  test(`enabled: ${what}`, () => {
    const { drafts, unsupported } = enableLinks("units", name, debian(IMAGE), []);
    assert.deepEqual(unsupported, []);
    assert.deepEqual(
      drafts.map(({ path, what: is }) => `${path.slice("/etc/systemd/system/".length)} -> ${is.is === "link" ? is.to : is.is}`),
      expected,
    );
  });
}

test("a drop-in of the config says who wants a unit", () => {
  const units = [fakeUnit("static.service", { dropIns: [{ name: "a.conf", content: "[Install]\nWantedBy=basic.target\n" }] })];
  const { drafts } = enableLinks("units", "static.service", debian(), units);
  assert.deepEqual(
    drafts.map(({ path }) => path),
    ["/etc/systemd/system/basic.target.wants/static.service"],
  );
});

test("a unit that is no longer masked can be enabled", () => {
  const { unsupported } = enableLinks("units", "off.service", debian(), [fakeUnit("off.service", { masked: false })]);
  assert.deepEqual(unsupported, []);
});

test("disabled: every link of the image that starts the unit, or what goes along, is hidden", () => {
  for (const [name, expected] of [
    ["ssh.service", ["multi-user.target.wants/ssh.service", "sshd.service"]],
    ["a.service", ["multi-user.target.wants/a.service", "sockets.target.wants/a.socket"]],
    ["nginx.service", []],
  ] as const) {
    const { drafts } = disableLinks("units", name, debian(IMAGE), []);
    assert.deepEqual(
      drafts.map(({ path, what }) => [path.slice("/etc/systemd/system/".length), what.is]),
      expected.map((path) => [path, "gone"]),
    );
  }
});

test("an [Install] section is read as systemd reads it", () => {
  const text = [
    "[Install]",
    "# WantedBy=no.target",
    "WantedBy = a.target \\",
    "; a comment between",
    "  b.target",
    "[Service]",
    "WantedBy=no.target",
    "[Install]",
    "WantedBy=c.target",
    "RequiredBy=x.target",
    "RequiredBy=",
    "Unknown=1",
  ].join("\n");
  assert.partialDeepStrictEqual(installSection([text]), {
    wantedBy: ["a.target", "b.target", "c.target"],
    requiredBy: [],
    aliases: [],
  });
});
