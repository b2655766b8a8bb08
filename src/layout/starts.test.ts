import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cronStarts,
  dbusStarts,
  formatStarts,
  moduleStarts,
  tmpfilesStarts,
  udevStarts,
  unitStarts,
  type Start,
} from "./starts.ts";

const short = (starts: readonly Start[]): string[] => starts.map(({ line, program }) => `${line} ${program}`);

for (const [what, text, expected] of [
  ["a command", "[Service]\nExecStart=/usr/bin/a --b", ["2 /usr/bin/a"]],
  ["a command with prefixes", "ExecStartPre=-+/bin/a\nExecStop=!!/bin/b", ["1 /bin/a", "2 /bin/b"]],
  ["another name of the program", "ExecStart=@/bin/a a-by-name /etc/x", ["1 /bin/a", "1 /etc/x"]],
  ["a name without a folder", "ExecStart=-agetty - linux", ["1 agetty"]],
  ["several commands in a line", "ExecStart=/bin/a x ; /bin/b y", ["1 /bin/a", "1 /bin/b"]],
  [
    "a command that goes on",
    "# x\nExecStart=/bin/a \\\n# no\n  /bin/b \\\n  c\nExecStop=/bin/d",
    ["2 /bin/a", "2 /bin/b", "6 /bin/d"],
  ],
  ["quotes", `ExecStart="/bin/a" '/bin/b'`, ["1 /bin/a", "1 /bin/b"]],
  ["a program that starts another one", "ExecStart=/usr/bin/env A=b -i bash -c x", ["1 /usr/bin/env", "1 bash"]],
  ["a program as an argument", "ExecStart=/sbin/start-stop-daemon --exec /bin/sh", ["1 /sbin/start-stop-daemon", "1 /bin/sh"]],
  ["what is taken back", "ExecStart=/bin/a\nExecStop=/bin/s\nExecStart=\nExecStart=/bin/b", ["2 /bin/s", "4 /bin/b"]],
  ["no command", "ExecSearchPath=/bin/a\nExecPaths=x\n;ExecStart=/bin/a\n", []],
] as const)
  test(`of a unit: ${what}`, () => assert.deepEqual(short(unitStarts([{ path: "/u", text }])), expected));

test("a drop-in takes back what the unit's file says, and is named itself", () => {
  const starts = unitStarts([
    { path: "/a.service", text: "ExecStart=/bin/a\nExecStop=/bin/s" },
    { path: "/a.service.d/x.conf", text: "ExecStart=\nExecStart=/bin/b" },
  ]);
  assert.deepEqual(
    starts.map(({ file, program }) => `${file} ${program}`),
    ["/a.service /bin/s", "/a.service.d/x.conf /bin/b"],
  );
});

for (const [what, text, expected] of [
  [
    "RUN, PROGRAM and IMPORT",
    'A=="b", RUN+="/bin/a x"\nPROGRAM=="b -c", NAME="x"\nIMPORT{program}="c $devnode"',
    ["1 /bin/a", "2 b", "3 c"],
  ],
  ["several in one rule", 'PROGRAM="/bin/a", RUN{program}+="/bin/b"', ["1 /bin/a", "1 /bin/b"]],
  ["quotes within", `PROGRAM="/bin/sh -ec 'D=/x; echo'"`, ["1 /bin/sh"]],
  ["a rule of several lines", 'A=="b", \\\n  RUN+="/bin/a"', ["1 /bin/a"]],
  ["what udev does itself", 'RUN{builtin}+="kmod load", IMPORT{builtin}="path_id", IMPORT{file}="/etc/x", IMPORT{db}="A"', []],
  ["a comment", '#RUN+="/bin/a"', []],
] as const)
  test(`of udev's rules: ${what}`, () => assert.deepEqual(short(udevStarts({ path: "/r", text })), expected));

for (const [what, starts, text, expected] of [
  [
    "tmpfiles links and copies",
    tmpfilesStarts,
    "L+ /etc/a - - - - /bin/sh\nC /etc/b - - - - /usr/b\nd /run/x 0755 - -\nf /x - - - - /bin/sh",
    ["1 /bin/sh", "2 /usr/b"],
  ],
  ["every line of a cron table", cronStarts, "SHELL=/bin/bash\n# x\n\n5 4 * * * root true", ["4 /bin/sh"]],
  ["a bus service", dbusStarts, "[D-BUS Service]\nName=a\nExec=/bin/a --x", ["3 /bin/a"]],
  ["no bus service that systemd starts", dbusStarts, "Name=a\nExec=/bin/false\nSystemdService=a.service", []],
  ["commands in place of modules", moduleStarts, "blacklist a\noptions b c=d\ninstall e modprobe f", ["3 /bin/sh"]],
  ["no command that says no", moduleStarts, "install a /bin/true\ninstall b /usr/bin/false\nremove c false", []],
  ["an interpreter of a format", formatStarts, ":jar:M::PK::/usr/bin/jexec:\n# x\n", ["1 /usr/bin/jexec"]],
] as const)
  test(`of tables: ${what}`, () => assert.deepEqual(short(starts({ path: "/t", text })), expected));
