import { testMade, testRefused } from "../../../../tests/support/compile-cases.ts";
import { fakeFile, fakeStep } from "./fake-config.ts";

const ANY = { files: [], anyFile: [], noFiles: [] };

testMade([
  [
    "what the early stages say",
    "debian",
    {
      stages: {
        rootfs: [
          fakeStep("one", { files: [fakeFile("/etc/one")], directories: [{ path: "/var/lib/two", mode: 0o750, owner: "root" }] }),
          fakeStep("nor this", { conditions: { ...ANY, noFiles: ["/etc/hosts"] }, files: [fakeFile("/etc/not")] }),
          fakeStep("keys", {
            conditions: { ...ANY, anyFile: ["/none", "/etc/hosts"] },
            authorizedKeys: { root: ["ssh-rsa DDDD"] },
          }),
          fakeStep("not here", { conditions: { ...ANY, os: "alpine" }, files: [fakeFile("/etc/not")] }),
        ],
        "initramfs.after": [
          fakeStep("three", {
            hostname: "early",
            sysctl: { "vm.swappiness": "1" },
            dns: { nameservers: ["192.0.2.1"], search: [], options: [] },
          }),
        ],
      },
    },
    {
      "/etc/one": "text\n",
      "/etc/ssh/petrify/authorized_keys/root": /ssh-rsa DDDD\n$/,
      "/etc/not": undefined,
      "/var/lib/two": "folder",
      "/etc/hostname": "early\n",
      "/etc/sysctl.d/90-petrify.conf": /vm\.swappiness = 1\n$/,
      "/etc/resolv.conf": /nameserver 192\.0\.2\.1\n$/,
    },
  ],
]);

testRefused([
  [
    "a command before the init",
    { stages: { rootfs: [fakeStep("one", { commands: ["date"] })] } },
    /stages\.rootfs\[one\]\.commands: cannot be done before/,
  ],
  [
    "two host names",
    { hostname: "a", stages: { rootfs: [fakeStep("one", { hostname: "b" })] } },
    /stages\.rootfs\[one\]\.hostname: is a by another key/,
  ],
  [
    "a condition that cannot be read",
    { stages: { rootfs: [fakeStep("one", { conditions: { ...ANY, os: "(" } })] } },
    /only_os: is no regular expression/,
  ],
]);
