import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeTree, type FakeFiles } from "../fake-tree.ts";
import { unitSet } from "../unit-set.ts";
import { hookFindings } from "./hooks.ts";

const found = (files: FakeFiles): string[] => {
  const tree = fakeTree(files);
  return hookFindings(tree, unitSet(tree)).map(({ name, detail }) => `${name} (${detail})`);
};
const RULES = "/usr/lib/udev/rules.d/1.rules";
const PID_1 = { "/usr/lib/systemd/systemd": "" };
const GENERATORS = "/usr/lib/systemd/system-generators";

for (const [what, files, want] of [
  ["a rule that runs a program", { [RULES]: 'ACTION=="add", RUN+="/bin/x %k"\n' }, [`${RULES}: /bin/x (udev rule)`]],
  ["a rule twice", { [RULES]: 'RUN+="/bin/x"\nPROGRAM=="/bin/x"\n' }, [`${RULES}: /bin/x (udev rule)`]],
  ["a rule that is hidden", { [RULES]: 'RUN+="/bin/x"\n', "/etc/udev/rules.d/1.rules": { link: "/dev/null" } }, []],
  ["what udev does itself", { [RULES]: 'IMPORT{builtin}="hwdb"\n' }, []],
  [
    "a command in place of a module",
    { "/etc/modprobe.d/a.conf": "install x /bin/y\nblacklist z\n" },
    ["/etc/modprobe.d/a.conf: /bin/sh (module command)"],
  ],
  [
    "a service of the bus",
    { "/usr/share/dbus-1/system-services/a.service": "[D-BUS Service]\nExec=/bin/x\n" },
    ["/usr/share/dbus-1/system-services/a.service: /bin/x (D-Bus service)"],
  ],
  ["one that cannot be started", { "/usr/share/dbus-1/system-services/a.service": "[D-BUS Service]\nExec=/bin/false\n" }, []],
  ["a link of tmpfiles.d", { "/usr/lib/tmpfiles.d/a.conf": "L /run/x - - - - /bin/x\n" }, []],
  ["tables without a cron", { "/etc/crontab": "* * * * * root /bin/x\n", "/etc/cron.daily/x": "" }, []],
  [
    "tables with one",
    {
      "/usr/sbin/cron": "",
      "/etc/crontab": "A=1\n* * * * * root /bin/x\n",
      "/var/spool/cron/crontabs/ann": "@daily x\n",
      "/etc/cron.daily/x": "",
      "/etc/cron.daily/.placeholder": "",
    },
    [
      "/etc/crontab: /bin/sh (cron table)",
      "/var/spool/cron/crontabs/ann: /bin/sh (cron table)",
      "/etc/cron.daily/x (run by /usr/sbin/cron)",
    ],
  ],
  [
    "generators",
    { ...PID_1, [`${GENERATORS}/a`]: "", [`${GENERATORS}/b`]: "", "/etc/systemd/system-generators/b": { link: "/dev/null" } },
    [`${GENERATORS}/a (run by /usr/lib/systemd/systemd)`],
  ],
  ["generators that nobody runs", { [`${GENERATORS}/a`]: "" }, []],
  [
    "files of one name in folders of two kinds",
    { "/usr/sbin/ifup": "", "/etc/network/if-up.d/a": "", "/etc/network/if-down.d/a": "" },
    ["/etc/network/if-down.d/a (run by /usr/sbin/ifup)", "/etc/network/if-up.d/a (run by /usr/sbin/ifup)"],
  ],
  [
    "a service of System V that no unit replaces",
    {
      [`${GENERATORS}/systemd-sysv-generator`]: "",
      "/etc/rc2.d/S01a": { link: "../init.d/a" },
      "/etc/rc2.d/S01b": { link: "../init.d/b" },
      "/usr/lib/systemd/system/b.service": "",
    },
    ["/etc/init.d/a (run by systemd-sysv-generator)"],
  ],
  [
    "one that nobody looks for",
    {
      [`${GENERATORS}/systemd-sysv-generator`]: "",
      "/etc/systemd/system-generators/systemd-sysv-generator": { link: "/dev/null" },
      "/etc/rc2.d/S01a": { link: "../init.d/a" },
    },
    [],
  ],
  [
    "a library in every program",
    { "/etc/ld.so.preload": "/usr/lib/a.so\n" },
    ["/etc/ld.so.preload: /usr/lib/a.so (loaded into every program)"],
  ],
  [
    "programs at a login",
    {
      "/etc/pam.d/login":
        "session optional pam_exec.so quiet /bin/x\n#session optional pam_exec.so /bin/y\nsession optional pam_motd.so\n",
      "/etc/update-motd.d/10-a": "",
    },
    ["/etc/pam.d/login: /bin/x (at a login)", "/etc/update-motd.d/10-a (run by pam_motd at a login)"],
  ],
  [
    "messages that nobody makes",
    { "/etc/pam.d/login": "session optional pam_motd.so noupdate\n", "/etc/update-motd.d/10-a": "" },
    [],
  ],
] as const) {
  test(`run by others: ${what}`, () => assert.deepEqual(found(files as unknown as FakeFiles), want));
}
