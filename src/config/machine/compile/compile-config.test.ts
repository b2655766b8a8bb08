import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../../../core/error.ts";
import { decodeCompiledConfig, encodeCompiledConfig, type TreeEntry } from "../../../layout/compiled-config.ts";
import { fakeUpdates } from "../../updates/fake-updates.ts";
import type { NodeConfig } from "../node-config.ts";
import { compileConfig, compileTolerantly, type Compilation, type CompileMeans } from "./compile-config.ts";
import { SPACED, UMLAUT } from "./fake-certificates.ts";
import { fakeConfig, fakeContainer, fakeFile, fakeStep, fakeUnit, fakeUser } from "./fake-config.ts";
import type { FakeFiles } from "../../../layout/fake-tree.ts";
import { alpine, debian, fedora } from "./fake-image.ts";
import type { ImageView } from "./image-view.ts";

const MEANS: CompileMeans = {
  digest: "0".repeat(64),
  network: { files: [] },
  sha1: (bytes) => createHash("sha1").update(bytes).digest(),
};
const compile = (about: Partial<NodeConfig>, view: ImageView = debian(), means = MEANS): Compilation =>
  compileConfig(fakeConfig(about), view, means);
const entryOf = ({ compiled }: Compilation, path: string): TreeEntry | undefined =>
  compiled.entries.find((entry) => entry.path === path);
/** A file as its text, anything else in a word. */
function shown(compilation: Compilation, path: string): string | undefined {
  const what = entryOf(compilation, path)?.what;
  if (what?.is === "file") return "text" in what.content ? what.content.text : what.content.base64;
  return what?.is === "link" ? `-> ${what.to}` : what?.is;
}
const problemsOf = (about: Partial<NodeConfig>, view: ImageView = debian()): string[] =>
  compileTolerantly(fakeConfig(about), view, MEANS).unsupported.map(({ key, problem }) => `${key}: ${problem}`);

const IMAGES = { debian, fedora, alpine };
const UNIT = "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n";

/** What a key makes of a path, `undefined` where it makes nothing. */
const ANY = { files: [], anyFile: [], noFiles: [] };
const MADE: readonly (readonly [
  what: string,
  image: keyof typeof IMAGES,
  about: Partial<NodeConfig>,
  paths: Readonly<Record<string, RegExp | string | undefined>>,
])[] = [
  ["a host name", "debian", { hostname: "web-1" }, { "/etc/hostname": "web-1\n", "/etc/hosts": undefined }],
  [
    "a line of its own in the hosts file",
    "debian",
    { hostname: "web-1", fqdn: "web-1.example.net", manageEtcHosts: true },
    { "/etc/hosts": /^# From .*\n127\.0\.0\.1\tlocalhost\n::1.*\n127\.0\.1\.1 web-1\.example\.net web-1\n$/ },
  ],
  [
    "keys of a user, and a server that looks for them",
    "debian",
    {
      users: [fakeUser("alice", { authorizedKeys: ["ssh-ed25519 AAAA alice", "ssh-ed25519 BBBB"] })],
      authorizedKeys: ["ssh-rsa CCCC"],
    },
    {
      "/etc/ssh/petrify": "folder",
      "/etc/ssh/petrify/authorized_keys/alice": /^# From.*\nssh-ed25519 AAAA alice\nssh-ed25519 BBBB\n$/,
      "/etc/ssh/petrify/authorized_keys/root": /ssh-rsa CCCC\n$/,
      "/etc/ssh/sshd_config.d/10-petrify.conf":
        /^AuthorizedKeysFile \.ssh\/authorized_keys \/etc\/ssh\/petrify\/authorized_keys\/%u$/m,
      "/etc/ssh/sshd_config": undefined,
    },
  ],
  [
    "a server's own file, where that reads no others",
    "alpine",
    { authorizedKeys: ["ssh-rsa CCCC"], sshPasswords: false },
    {
      "/etc/ssh/sshd_config":
        /^# From.*\nAuthorizedKeysFile \.ssh\/authorized_keys \/etc\/ssh\/petrify\/authorized_keys\/%u\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n# The image's own:\n# \$OpenBSD/,
      "/etc/ssh/sshd_config.d/10-petrify.conf": undefined,
    },
  ],
  [
    "what a user may with sudo",
    "debian",
    { users: [fakeUser("alice", { sudo: ["ALL=(ALL) NOPASSWD:ALL"] })] },
    { "/etc/sudoers.d/90-petrify-alice": /^# From.*\nalice ALL=\(ALL\) NOPASSWD:ALL\n$/ },
  ],
  [
    "time servers of timesyncd",
    "debian",
    { ntp: { enabled: true, servers: ["ntp.example"], pools: ["pool.example"] } },
    {
      "/etc/systemd/timesyncd.conf.d/90-petrify.conf": /\[Time\]\nNTP=\nNTP=ntp\.example pool\.example\n$/,
      "/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service":
        "-> /usr/lib/systemd/system/systemd-timesyncd.service",
      "/etc/systemd/system/dbus-org.freedesktop.timesync1.service": "-> /usr/lib/systemd/system/systemd-timesyncd.service",
    },
  ],
  [
    "time servers of chrony in place of the image's",
    "fedora",
    { ntp: { enabled: true, servers: ["ntp.example"], pools: [] } },
    {
      "/etc/chrony.conf": /^# From.*\nserver ntp\.example iburst\n# The image's own:\ndriftfile .*\n$/,
      "/etc/systemd/system/multi-user.target.wants/chronyd.service": "-> /usr/lib/systemd/system/chronyd.service",
    },
  ],
  [
    "time servers of busybox",
    "alpine",
    { ntp: { enabled: true, servers: ["a.example"], pools: ["b.example"] } },
    { "/etc/conf.d/ntpd": /NTPD_OPTS="-N -p a\.example -p b\.example"\n$/, "/etc/runlevels/default/ntpd": "-> /etc/init.d/ntpd" },
  ],
  [
    "a time zone",
    "debian",
    { timezone: "Europe/Berlin" },
    { "/etc/localtime": "-> ../usr/share/zoneinfo/Europe/Berlin", "/etc/timezone": "Europe/Berlin\n" },
  ],
  [
    "a locale that takes the place of a link",
    "debian",
    { locale: "en_GB.UTF-8" },
    {
      "/etc/locale.conf": /LANG=en_GB\.UTF-8\n$/,
      "/etc/default/locale": /LANG=en_GB\.UTF-8\n$/,
      "/etc/profile.d/10-petrify-locale.sh": undefined,
    },
  ],
  [
    "a locale without PAM",
    "alpine",
    { locale: "de_DE.UTF-8" },
    { "/etc/profile.d/10-petrify-locale.sh": /export LANG=de_DE\.UTF-8\n$/ },
  ],
  [
    "a keyboard of console-setup",
    "debian",
    { keyboard: { layout: "de", variant: "nodeadkeys" } },
    {
      "/etc/default/keyboard": /XKBMODEL="pc105"\nXKBLAYOUT="de"\nXKBVARIANT="nodeadkeys"\nXKBOPTIONS=""\n/,
      "/etc/console-setup/cached_setup_keyboard.sh": "gone",
    },
  ],
  [
    "authorities beside the image's",
    "debian",
    { certificates: { removeDefaults: false, trusted: [SPACED, UMLAUT] } },
    {
      "/etc/ssl/certs/ca-certificates.crt": /SU1BR0U=[^]*BEGIN CERTIFICATE[^]*BEGIN CERTIFICATE/,
      "/etc/ssl/certs/petrify-1.pem": SPACED,
      "/etc/ssl/certs/c6fe8a68.0": "-> petrify-1.pem",
      "/etc/ssl/certs/be84d356.0": "-> petrify-2.pem",
      "/etc/petrify/ca.pem": SPACED + UMLAUT,
      "/etc/ssl/certs/IMAGE.pem": undefined,
    },
  ],
  [
    "authorities in the image's place",
    "debian",
    { certificates: { removeDefaults: true, trusted: [SPACED] } },
    { "/etc/ssl/certs/ca-certificates.crt": SPACED, "/etc/ssl/certs/IMAGE.pem": "gone" },
  ],
  [
    "authorities in the image's place, where links lead to the bundle",
    "fedora",
    { certificates: { removeDefaults: true, trusted: [SPACED] } },
    {
      "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": SPACED,
      "/etc/pki/tls/certs/ca-bundle.crt": undefined,
      "/etc/pki/tls/certs/5ed36f99.0": "gone",
      "/etc/pki/tls/certs/c6fe8a68.0": "-> petrify-1.pem",
    },
  ],
  [
    "authorities where a link says where they are",
    "fedora",
    { certificates: { removeDefaults: false, trusted: [SPACED] } },
    {
      "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": /SU1BR0U=[^]*BEGIN CERTIFICATE/,
      "/etc/pki/ca-trust/source/anchors/petrify.pem": SPACED,
      "/etc/pki/tls/certs/ca-bundle.crt": undefined,
    },
  ],
  [
    "a proxy and variables of systemd's services",
    "fedora",
    {
      proxy: { http: "http://proxy.example:3128", none: ["localhost", ".example"] },
      environment: { GREETING: "100 % good, you know" },
    },
    {
      "/etc/systemd/system.conf.d/90-petrify-environment.conf":
        /\[Manager\]\nDefaultEnvironment=http_proxy=http:\/\/proxy\.example:3128 HTTP_PROXY=\S+ no_proxy=localhost,\.example NO_PROXY=\S+ "GREETING=100 %% good, you know"\n$/,
      "/etc/environment": /http_proxy="http:\/\/proxy\.example:3128"\n[^]*GREETING="100 % good, you know"\n$/,
      "/etc/rc.conf": undefined,
    },
  ],
  [
    "variables of OpenRC's services",
    "alpine",
    { environment: { A: "it's $HOME" } },
    {
      "/etc/rc.conf": /export A='it'\\''s \$HOME'\n$/,
      "/etc/profile.d/90-petrify-environment.sh": /export A='it'\\''s \$HOME'\n$/,
      "/etc/environment": undefined,
    },
  ],
  [
    "kernel parameters",
    "alpine",
    { sysctl: { "net.ipv4.ip_forward": "1", "kernel/domainname": "a b" } },
    { "/etc/sysctl.d/90-petrify.conf": /net\.ipv4\.ip_forward = 1\nkernel\/domainname = a b\n$/ },
  ],
  [
    "kernel modules",
    "debian",
    {
      modules: [
        { name: "wireguard", options: "debug=1", blacklist: false },
        { name: "tcp-bbr", blacklist: false },
        { name: "pcspkr", blacklist: true },
      ],
    },
    {
      "/etc/modules-load.d/petrify.conf": /\nwireguard\ntcp-bbr\n$/,
      "/etc/modprobe.d/90-petrify.conf": /options wireguard debug=1\nblacklist pcspkr\ninstall pcspkr \/bin\/false\n$/,
    },
  ],
  [
    "a unit that is written, has a drop-in and is enabled",
    "debian",
    {
      units: [
        fakeUnit("app.service", { content: UNIT, enabled: true, dropIns: [{ name: "10-a.conf", content: "[Service]\nNice=5" }] }),
      ],
    },
    {
      "/etc/systemd/system/app.service": UNIT,
      "/etc/systemd/system/app.service.d/10-a.conf": "[Service]\nNice=5\n",
      "/etc/systemd/system/multi-user.target.wants/app.service": "-> /etc/systemd/system/app.service",
    },
  ],
  [
    "a service of OpenRC",
    "alpine",
    {
      units: [fakeUnit("app", { content: "#!/sbin/openrc-run\n", enabled: true }), fakeUnit("sshd.service", { enabled: false })],
    },
    {
      "/etc/init.d/app": "#!/sbin/openrc-run\n",
      "/etc/runlevels/default/app": "-> /etc/init.d/app",
      "/etc/runlevels/default/sshd": "gone",
    },
  ],
  [
    "a container of Quadlet",
    "debian",
    {
      containers: [
        fakeContainer("app", {
          environment: { A: "$5 50%" },
          ports: ["8080:80"],
          quadlet: { Container: ["AutoUpdate=registry"] },
        }),
      ],
    },
    {
      "/etc/containers/systemd/app.container":
        /RequiresMountsFor=\/var\/lib\/containers\n[^]*Image=registry\.example\/app:1\nEnvironment="A=\$\$5 50%%"\nPublishPort=8080:80\nAutoUpdate=registry\n/,
      "/usr/local/lib/containers": "folder",
      "/etc/systemd/system/var-lib-containers.mount":
        /What=\/usr\/local\/lib\/containers\nWhere=\/var\/lib\/containers\nType=none\nOptions=bind\n/,
      "/etc/systemd/system/multi-user.target.wants/var-lib-containers.mount": "-> /etc/systemd/system/var-lib-containers.mount",
    },
  ],
  [
    "a container of nerdctl",
    "fedora",
    { containers: [fakeContainer("app", { command: ["serve", "--name=a b", "1\n2"] })] },
    {
      "/etc/systemd/system/app.service":
        /^ExecStart=\/usr\/bin\/nerdctl run --rm --name app registry\.example\/app:1 serve "--name=a b" "1\\n2"$/m,
      "/etc/systemd/system/multi-user.target.wants/app.service": "-> /etc/systemd/system/app.service",
    },
  ],
  [
    "file systems",
    "debian",
    {
      mounts: [
        { what: "LABEL=data", where: "/var/lib/my-data", type: "auto", options: "defaults,noatime,nofail", pass: 2 },
        { what: "nas.example:/x", where: "/mnt", type: "nfs4", options: "ro,_netdev", pass: 0 },
      ],
    },
    {
      "/var/lib/my-data": "folder",
      "/etc/systemd/system/var-lib-my\\x2ddata.mount": /What=LABEL=data\nWhere=\/var\/lib\/my-data\nOptions=noatime\n/,
      "/etc/systemd/system/mnt.mount": /\[Mount\]\nWhat=nas\.example:\/x\nWhere=\/mnt\nType=nfs4\nOptions=ro\n/,
      "/etc/systemd/system/remote-fs.target.wants/mnt.mount": "-> /etc/systemd/system/mnt.mount",
    },
  ],
  [
    "file systems of OpenRC",
    "alpine",
    { mounts: [{ what: "/dev/vdb1", where: "/var/lib/a", type: "ext4", options: "defaults,ro", pass: 2 }] },
    {
      "/etc/init.d/config-mounts":
        /mountpoint -q \/var\/lib\/a \|\| mount -t ext4 -o ro \/dev\/vdb1 \/var\/lib\/a \|\| failed=1[^]*stop\(\)[^]*! mountpoint -q \/var\/lib\/a \|\| umount \/var\/lib\/a/,
      "/etc/runlevels/default/config-mounts": "-> /etc/init.d/config-mounts",
    },
  ],
  ["a partition that does not grow", "debian", { grow: false }, { "/etc/systemd/system/petrify-grow.service": "-> /dev/null" }],
  [
    "root that may not log in",
    "debian",
    { sshRoot: false },
    { "/etc/ssh/sshd_config.d/10-petrify.conf": /^# From.*\nPermitRootLogin no\n$/ },
  ],
  [
    "a file and the folders above it",
    "debian",
    { files: [fakeFile("/etc/app/conf.d/a.conf"), fakeFile("/srv/www/index.html")] },
    {
      "/etc/app": "folder",
      "/etc/app/conf.d": "folder",
      "/etc/app/conf.d/a.conf": "text\n",
      "/srv": undefined,
      "/srv/www": "folder",
    },
  ],
  [
    "a line at the end of what another key makes",
    "debian",
    { hostname: "a", manageEtcHosts: true, files: [fakeFile("/etc/hosts", { append: true, content: { text: "10.0.0.1 b\n" } })] },
    { "/etc/hosts": /127\.0\.1\.1 a\n10\.0\.0\.1 b\n$/ },
  ],
  [
    "a line that was written in Base64",
    "debian",
    {
      files: [
        fakeFile("/etc/hosts", { append: true, content: { base64: "MTAuMC4wLjEgYgo=" } }),
        fakeFile("/etc/hosts", { append: true }),
      ],
    },
    { "/etc/hosts": "10.0.0.1 b\ntext\n" },
  ],
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
];

for (const [what, image, about, paths] of MADE) {
  test(`${image}: ${what}`, () => {
    const compilation = compile(about, IMAGES[image]());
    for (const [path, expected] of Object.entries(paths)) {
      const found = shown(compilation, path);
      if (expected instanceof RegExp) assert.match(found ?? `nothing at ${path}`, expected);
      else assert.equal(found, expected, path);
    }
  });
}

/** What an image cannot do, or what contradicts something. */
const mount = (where: string, what = "/dev/vdb") => ({ what, where, type: "ext4", options: "defaults", pass: 0 });
const REFUSED: readonly (readonly [
  what: string,
  about: Partial<NodeConfig>,
  problem: RegExp,
  more?: FakeFiles,
  image?: keyof typeof IMAGES,
])[] = [
  [
    "a file of the image",
    { files: [fakeFile("/usr/bin/tool")] },
    /^write_files\[\/usr\/bin\/tool\]: .*read-only: put it in the recipe$/,
  ],
  [
    "a file of the image by another name",
    { files: [fakeFile("/bin/tool")] },
    /\/bin\/tool is \/usr\/bin\/tool on this image, which is part of the image/,
  ],
  [
    "the accounts themselves",
    { files: [fakeFile("/etc/shadow")] },
    /made at each boot from the image and the keys users and groups/,
  ],
  ["the fstab", { files: [fakeFile("/etc/fstab", { append: true })] }, /fstab is made at each boot by petrify/],
  [
    "petrify's own folder",
    { files: [fakeFile("/oem/petrify/config/1/compiled")] },
    /lies in \/oem\/petrify, which is petrify's own/,
  ],
  [
    "petrify's own folder by a link",
    { files: [fakeFile("/etc/x/config")] },
    /lies in \/oem\/petrify/,
    { "/etc/x": { link: "/oem/petrify" } },
  ],
  ["a path that climbs", { files: [fakeFile("/etc/../usr/x")] }, /is no absolute path/],
  ["a path of two lines", { files: [fakeFile("/etc/a\nb")] }, /characters/],
  ["a file in a file", { files: [fakeFile("/etc/hosts/x")] }, /on its way the image has a file/],
  [
    "a file in a file of the config",
    { files: [fakeFile("/etc/new"), fakeFile("/etc/new/x")] },
    /lies in \/etc\/new, which write_files/,
  ],
  [
    "a file that has to be a folder",
    { files: [fakeFile("/etc/new/x"), fakeFile("/etc/new")] },
    /has to be a folder for write_files/,
  ],
  ["a file where the image has a folder", { files: [fakeFile("/etc/sudoers.d")] }, /is a folder on this image/],
  ["a file that grows at each boot", { files: [fakeFile("/srv/log", { append: true })] }, /would grow/],
  ["a file that another key makes", { hostname: "a", files: [fakeFile("/etc/hostname")] }, /is what hostname makes, too/],
  [
    "bytes at the end of a text",
    { files: [fakeFile("/etc/hosts", { append: true, content: { base64: "/w==" } })] },
    /only text can be added/,
  ],
  ["an owner that is nowhere", { files: [fakeFile("/etc/x", { owner: "deploy:deploy" })] }, /\.owner: deploy is no user/],
  ["a user whose name is a path", { users: [fakeUser("../x")] }, /users\[\.\.\/x\]: is no name/],
  ["a number of somebody in the image", { users: [fakeUser("a", { uid: 33 })] }, /users\[a\]\.uid: is www-data's/],
  ["a number twice", { users: [fakeUser("a", { uid: 2000 }), fakeUser("b", { uid: 2000 })] }, /users\[b\]\.uid: is a's/],
  ["a group's number of the image", { groups: [{ name: "g", gid: 27, members: [] }] }, /groups\[g\]: has the number of sudo/],
  [
    "another number for a user of the image",
    { users: [fakeUser("www-data", { uid: 2000 })] },
    /users\[www-data\]\.uid: is 33 in the image/,
  ],
  [
    "another number for a group of the image",
    { groups: [{ name: "sudo", gid: 2000, members: [] }] },
    /groups\[sudo\]: has the number 27 in the image/,
  ],
  ["a second root", { users: [fakeUser("toor", { uid: 0 })] }, /uid: is root's/],
  ["a shell that is not there", { users: [fakeUser("a", { shell: "/bin/zsh" })] }, /shell: \/bin\/zsh is not in the image/],
  [
    "a field that would be two",
    { users: [fakeUser("a", { gecos: "x:/root:/bin/sh" })] },
    /gecos: must be one line without a colon/,
  ],
  ["sudo that is not there", { users: [fakeUser("a", { sudo: ["ALL=ALL"] })] }, /the image has no sudo/, {}, "alpine"],
  [
    "a rule that sudo cannot read",
    { users: [fakeUser("a", { sudo: ["ALL=(ALL"] })] },
    /users\[a\]\.sudo: "ALL=\(ALL" has no command/,
  ],
  ["passwords without a server", { sshPasswords: true }, /no OpenSSH server/, { "/usr/sbin/sshd": { link: "/nowhere" } }],
  ["a time zone nobody knows", { timezone: "Europe/Paris" }, /tzdata does not know Europe\/Paris/],
  ["a time zone that is a path", { timezone: "../../etc/shadow" }, /is no name of a time zone/],
  ["a time server that is two lines", { ntp: { enabled: true, servers: ["a\nb"], pools: [] } }, /is no name or address/],
  ["a locale that is not there", { locale: "de_DE.UTF-8" }, /has no locale de_DE/, {}, "fedora"],
  ["keys of a keyboard that nothing sets", { keyboard: { layout: "de" } }, /no program that sets/, {}, "alpine"],
  [
    "a certificate that is none",
    { certificates: { removeDefaults: false, trusted: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] } },
    /^ca_certs\.trusted\[0\]/,
  ],
  [
    "a private key among certificates",
    {
      certificates: {
        removeDefaults: false,
        trusted: [`${SPACED}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`],
      },
    },
    /^ca_certs\.trusted\[0\]/,
  ],
  ["a variable of two lines", { environment: { A: "a\nB=b" } }, /environment\.A: must have a value without line breaks/],
  ["a variable that is none", { environment: { "A=B": "a" } }, /is no name of a variable/],
  ["a parameter of two lines", { sysctl: { "vm.swappiness": "1\nkernel.core_pattern = |/x" } }, /must be one line/],
  ["a module that the kernel has not", { modules: [{ name: "zfs", blacklist: false }] }, /no module of the image's kernel/],
  [
    "a module with two lines of options",
    { modules: [{ name: "wireguard", options: "a\ninstall x /bin/sh", blacklist: false }] },
    /must be one line/,
  ],
  [
    "a unit that is nowhere",
    { units: [fakeUnit("nowhere.service", { enabled: true })] },
    /enable: neither the image nor the config has nowhere/,
  ],
  ["a unit that nothing starts", { units: [fakeUnit("static.service", { enabled: true })] }, /has no \[Install\] section/],
  ["a unit that the image masks", { units: [fakeUnit("off.service", { enabled: true })] }, /is masked by the image/],
  [
    "a template without an instance",
    { units: [fakeUnit("t@.service", { enabled: true, content: UNIT })] },
    /t@\.service is a template/,
  ],
  [
    "a unit that is enabled by a path",
    { units: [fakeUnit("a.service", { enabled: true, content: "[Install]\nAlias=../x.service\n" })] },
    /names what is no unit here: \.\.\/x\.service/,
  ],
  ["petrify's own units", { units: [fakeUnit("petrifyd.service", { masked: true })] }, /is petrify's own/],
  [
    "a mask of what is written",
    { units: [fakeUnit("a.service", { masked: true, content: UNIT })] },
    /neither written nor enabled/,
  ],
  [
    "a drop-in that is a path",
    { units: [fakeUnit("a.service", { dropIns: [{ name: "../b.conf", content: "" }] })] },
    /file name that ends in \.conf/,
  ],
  ["a unit of systemd for OpenRC", { units: [fakeUnit("app", { content: UNIT })] }, /must be a script of OpenRC/, {}, "alpine"],
  ["a timer for OpenRC", { units: [fakeUnit("a.timer", { enabled: true })] }, /unit of systemd/, {}, "alpine"],
  ["containers that nothing runs", { containers: [fakeContainer("app")] }, /nothing that runs containers/, {}, "alpine"],
  [
    "a container with a line too many",
    { containers: [fakeContainer("app", { quadlet: { Container: ["A=b\n[Service]"] } })] },
    /lines of KEY=VALUE/,
  ],
  [
    "a container with a section of its own",
    { containers: [fakeContainer("app", { quadlet: { "X]\n[Service": [] } })] },
    /must be one of/,
  ],
  [
    "a container whose variable is two lines",
    { containers: [fakeContainer("app", { environment: { A: "a\rExecStartPre=/x" } })] },
    /environment\.A: is no variable, or has a value that cannot be one/,
  ],
  [
    "Quadlet's lines without Quadlet",
    { containers: [fakeContainer("app", { quadlet: { Unit: ["A=b"] } })] },
    /no podman with Quadlet/,
    {},
    "fedora",
  ],
  ["a persistent folder of units", { persistent: ["/etc/systemd/system"] }, /persist\[\/etc\/systemd\/system\]: holds units/],
  ["a persistent folder that the image lacks", { persistent: ["/data"] }, /make the folder in the recipe/],
  ["a persistent folder around another", { persistent: ["/var/lib/app/x", "/var/lib/app"] }, /contains \/var\/lib\/app\/x/],
  ["a persistent folder that is a link", { persistent: ["/etc/x/y"] }, /leads through one/, { "/etc/x": { link: "/usr" } }],
  ["a file system over the image", { mounts: [mount("/usr/share")] }, /mounts\[\/usr\/share\]: is part of the image/],
  ["a file system over petrify's own", { mounts: [mount("/oem/petrify")] }, /is petrify's own/],
  ["a file system over a persistent folder", { mounts: [mount("/srv")] }, /is a folder that is mounted/],
  ["a device of two lines", { mounts: [mount("/mnt", "/dev/vdb\nWhere=/usr")] }, /must be a device/],
  ["keys of nobody", { defaultUser: "nobody-here", authorizedKeys: ["ssh-rsa A"] }, /nobody-here is no user/],
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
];

for (const [what, about, problem, more, image = "debian"] of REFUSED) {
  test(`refused: ${what}`, () => {
    const found = problemsOf(about, IMAGES[image](more));
    assert.equal(found.filter((one) => problem.test(one)).length, 1, found.join("\n") || "nothing was refused");
    assert.throws(
      () => compile(about, IMAGES[image](more)),
      (error) => error instanceof AppError && error.code === "CONFIG_UNSUPPORTED",
    );
  });
}

test("all that cannot be done is told together, and at boot only that is left out", () => {
  const about = { hostname: "a", timezone: "Europe/Paris", files: [fakeFile("/usr/x"), fakeFile("/etc/ok")] };
  assert.throws(() => compile(about), /timezone: [^]*write_files\[\/usr\/x\]: /);
  const compilation = compileTolerantly(fakeConfig(about), debian(), MEANS);
  assert.deepEqual(
    compilation.compiled.entries.map(({ path }) => path),
    ["/etc/hostname", "/etc/ok"],
  );
});

test("accounts: what is absent stays the image's, what is new is whole", () => {
  const { compiled } = compile({
    users: [
      fakeUser("alice", { groups: ["sudo", "deploy"], passwordHash: "$6$abcdefgh$x" }),
      fakeUser("www-data", { groups: ["ssl-cert"] }),
      fakeUser("bob", { passwordHash: "$6$abcdefgh$x", isLocked: true, isSystem: true }),
    ],
    groups: [{ name: "ops", gid: 2000, members: ["alice"] }],
  });
  assert.deepEqual(compiled.accounts, {
    users: [
      {
        name: "alice",
        isSystem: false,
        groups: ["sudo", "deploy"],
        home: "/home/alice",
        makeHome: true,
        shell: "/bin/bash",
        password: "$6$abcdefgh$x",
      },
      { name: "www-data", isSystem: false, groups: ["ssl-cert"], makeHome: false },
      {
        name: "bob",
        isSystem: true,
        groups: [],
        home: "/home/bob",
        makeHome: false,
        shell: "/bin/bash",
        password: "!$6$abcdefgh$x",
      },
    ],
    groups: [
      { name: "ops", gid: 2000, members: ["alice"] },
      { name: "deploy", members: [] },
    ],
  });
});

test("where SSH knows no PAM, a locked password does not lock out keys", () => {
  const { compiled } = compile({ users: [fakeUser("alice", { isLocked: true })] }, alpine());
  assert.equal(compiled.accounts.users[0]!.password, "*");
});

test("lines of yip's ensure_entities are accounts", () => {
  const entities = [
    { kind: "group", line: "app:x:900:" },
    { kind: "user", line: "app:x:900:900:App:/var/lib/app:/usr/bin/sh" },
    { kind: "shadow", line: "app:$6$abcdefgh$x:19000:0:99999:7:::" },
  ] as const;
  const { compiled } = compile({ stages: { initramfs: [fakeStep("one", { entities })] } });
  assert.deepEqual(compiled.accounts.groups, [{ name: "app", gid: 900, members: [] }]);
  assert.partialDeepStrictEqual(compiled.accounts.users, [{ name: "app", uid: 900, group: "app", password: "$6$abcdefgh$x" }]);
});

test("keys of a machine without OpenSSH are at home, the user's own", () => {
  const view = debian({ "/usr/sbin/sshd": { link: "/nowhere" } });
  const { compiled } = compile({ users: [fakeUser("alice", { authorizedKeys: ["ssh-rsa AAAA"] })] }, view);
  assert.deepEqual(
    compiled.entries.map(({ path, when, owner }) => `${path} ${when} ${owner}`),
    ["/home/alice data alice:alice", "/home/alice/.ssh data alice:alice", "/home/alice/.ssh/authorized_keys data alice:alice"],
  );
});

test("what is on data waits for data, what recovery needs is marked", () => {
  const files = [{ path: "/etc/systemd/network/10-petrify-a.network", mode: 0o640, text: "[Match]\n", owner: "root:adm" }];
  const wants = "/etc/systemd/system/multi-user.target.wants";
  const links = [{ path: `${wants}/nginx.service`, to: "/usr/lib/systemd/system/nginx.service" }];
  const network = { files, links, gone: [`${wants}/ssh.service`] };
  const { compiled } = compile({ hostname: "a", files: [fakeFile("/srv/x"), fakeFile("/etc/y")] }, debian(), {
    ...MEANS,
    network,
  });
  assert.deepEqual(
    compiled.entries.map(({ path, when, recovery }) => [path, when, recovery ?? false]),
    [
      ["/etc/hostname", "root", true],
      ["/etc/systemd/network", "root", true],
      ["/etc/systemd/network/10-petrify-a.network", "root", true],
      ["/etc/systemd/system/multi-user.target.wants/nginx.service", "root", true],
      ["/etc/systemd/system/multi-user.target.wants/ssh.service", "root", true],
      ["/etc/y", "root", false],
      ["/srv/x", "data", false],
    ],
  );
});

test("what comes from elsewhere, later, or to a place that is emptied is for the stage runner", () => {
  const { compiled, plan } = compile({
    files: [
      fakeFile("/etc/a", { content: { url: "https://mirror.example/a" } }),
      fakeFile("/etc/b", { defer: true }),
      fakeFile("/run/c"),
      fakeFile("/var/run/d"),
    ],
    bootCommands: ["date"],
    runCommands: ["id"],
  });
  assert.deepEqual(compiled.entries, []);
  assert.deepEqual(
    Object.entries(plan.stages).map(([stage, steps]) => [stage, steps.map(({ name }) => name)]),
    [
      ["fs.before", ["bootcmd"]],
      ["fs", ["write_files /run/c", "write_files /var/run/d"]],
      ["boot", ["write_files /etc/b"]],
      ["network", ["write_files /etc/a"]],
    ],
  );
  assert.deepEqual(compiled.stages, ["fs.before", "fs", "boot", "network", "network.after"]);
});

test("a folder that the image keeps already needs nothing", () => {
  const { compiled } = compile({ persistent: ["/var/log/app", "/opt", "/var/lib/app", "/var/lib/app"] });
  assert.deepEqual(compiled.persistent, ["/var/lib/app"]);
  assert.equal(compile({ persistent: ["/var/lib/app"], files: [fakeFile("/var/lib/app/x")] }).compiled.entries[0]?.when, "data");
});

test("a check of the config takes the place of the image's of that name", () => {
  const image = { format: 1, deadlineSeconds: 60, onFailure: "alarm", failedUnits: true };
  const check = (name: string, port: number) => ({ name, kind: "tcp", host: "localhost", port, timeoutSeconds: 10 }) as const;
  const view = debian({ "/usr/lib/petrify/health.json": JSON.stringify({ ...image, checks: [check("a", 1), check("b", 2)] }) });
  const health = {
    deadlineSeconds: 120,
    onFailure: "reboot",
    failedUnits: true,
    checks: [check("b", 20), check("c", 3)],
  } as const;
  assert.deepEqual(compile({ health }, view).compiled.health, {
    ...health,
    checks: [check("a", 1), check("b", 20), check("c", 3)],
  });
});

test("images of containers that are not kept are told of; podman's lie on a file system that can hold them", () => {
  const containers = [fakeContainer("app")];
  assert.match(compile({ containers }, fedora()).notes.join(), /\/var\/lib\/containerd is not persistent/);
  assert.deepEqual(compile({ containers, persistent: ["/var/lib/containerd"] }, fedora()).notes, []);
  const own = [{ what: "LABEL=images", where: "/var/lib/containers", type: "ext4", options: "defaults", pass: 2 }];
  for (const mounts of [[], own]) {
    const { notes, unsupported, compiled } = compile({ containers, mounts });
    const said = compiled.entries.find(({ path }) => path === "/etc/systemd/system/var-lib-containers.mount")?.what;
    assert.deepEqual([notes, unsupported], [[], []]);
    assert.match(JSON.stringify(said), mounts === own ? /What=LABEL=images/ : /What=\/usr\/local\/lib\/containers/);
  }
});

const anyPath = fc
  .array(fc.constantFrom("etc", "var", "usr", "home", "run", "oem", "petrify", "..", "a", "b", "ssl", "x\n", "lib", ""), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => `/${parts.join("/")}`);

test("whatever files are asked for: one entry a path, folders before what is in them, nothing outside of what can be written", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyPath, fc.boolean()), { maxLength: 12 }), (paths) => {
      const files = paths.map(([path, append]) => fakeFile(path, { append }));
      const view = debian({ "/etc/a": { link: "../usr/share" }, "/etc/b": { link: "/var/lib" } });
      const { compiled } = compileTolerantly(fakeConfig({ files }), view, MEANS);
      const seen = new Set<string>();
      for (const { path, when } of compiled.entries) {
        assert.ok(!seen.has(path), `${path} twice`);
        const parent = path.slice(0, path.lastIndexOf("/"));
        assert.ok(seen.has(parent) || view.has(parent) || /^\/(?:oem|home|usr\/local)/.test(parent), `${path} before its folder`);
        seen.add(path);
        assert.match(path, when === "root" ? /^\/(?:etc|var)\/[^/]/ : /^\/(?:home|oem)\/[^/]/);
        assert.doesNotMatch(path, /\.\.|\n|^\/oem\/petrify/);
      }
    }),
    { numRuns: 300 },
  );
});

test("the same config comes to the same, byte for byte", () => {
  for (const [, image, about] of MADE)
    assert.equal(
      JSON.stringify(compile(about, IMAGES[image]())),
      JSON.stringify(compile(structuredClone(about), IMAGES[image]())),
    );
});

test("whatever was left out, what remains can be stored and read again", () => {
  const wrong = [
    { hostname: "a\nb" },
    {
      users: [
        fakeUser("a", { primaryGroup: "x:y", groups: ["no good"], uid: -1 }),
        fakeUser("b", { expires: 1e9 }),
        fakeUser("c", { groups: ["a,b"] }),
      ],
    },
    { users: [fakeUser("no name")], groups: [{ name: "g", members: ["no name"] }] },
    { groups: [{ name: "g", gid: 2 ** 40, members: ["nobody else", "root"] }] },
  ];
  const cases = [
    ...MADE.map(([, image, about]) => ({ about, image })),
    ...REFUSED.map(([, about, , , image = "debian" as const]) => ({ about, image })),
  ];
  for (const { about, image } of [...cases, ...wrong.map((one) => ({ about: one, image: "debian" as const }))]) {
    const { compiled } = compileTolerantly(fakeConfig(about), IMAGES[image](), MEANS);
    const read = decodeCompiledConfig(encodeCompiledConfig(compiled));
    assert.deepEqual(read, { is: "whole", value: compiled });
  }
});

test("keys of nobody in particular are the default user's: the named one's, else the image's own, else root's", () => {
  const keys = { authorizedKeys: ["ssh-rsa AAAA"] };
  const own = debian({
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\nsvc:x:1000:1000::/:/usr/sbin/nologin\ndeb:x:1001:1001::/home/deb:/bin/sh\n",
  });
  for (const [about, view, user] of [
    [keys, debian(), "root"],
    [keys, own, "deb"],
    [{ ...keys, users: [fakeUser("alice")], defaultUser: "alice" }, own, "alice"],
  ] as const) {
    const paths = compile(about, view).compiled.entries.map(({ path }) => path);
    assert.ok(paths.includes(`/etc/ssh/petrify/authorized_keys/${user}`), paths.join());
  }
});

test("a container of OpenRC is a script, whose words a shell reads as they were written", () => {
  const view = alpine({ "/usr/bin/podman": "" });
  const container = fakeContainer("app", { command: ["sh", "-c", "echo 'a'"], environment: { A: "$(id)" }, restart: "no" });
  const compilation = compile({ containers: [container] }, view);
  const script = shown(compilation, "/etc/init.d/app")!;
  assert.match(script, /^#!\/sbin\/openrc-run\n# From/);
  assert.match(script, /\ncommand=\/usr\/bin\/podman\n/);
  assert.equal(shown(compilation, "/etc/runlevels/default/app"), "-> /etc/init.d/app");
  const quoted = /\ncommand_args=(.*)\n\ndepend/s.exec(script)![1]!;
  // As openrc-run does: assigned, then split once more by eval.
  const { stdout } = spawnSync("sh", ["-c", `command_args=${quoted}; eval set -- $command_args; printf '%s\\n' "$@"`], {
    encoding: "utf8",
  });
  assert.deepEqual(stdout.split("\n").slice(0, -1), [
    "run",
    "--rm",
    "--name",
    "app",
    "--env",
    "A=$(id)",
    container.image,
    "sh",
    "-c",
    "echo 'a'",
  ]);
  const restart = { containers: [fakeContainer("app", { restart: "on-failure" })] };
  assert.match(problemsOf(restart, view).join(), /restart: OpenRC starts a service again whenever it ends, or never/);
});

test("a machine that has only ctr runs containers on the host's network", () => {
  const view = fedora({ "/usr/bin/nerdctl": { link: "/nowhere" }, "/usr/bin/ctr": "" });
  assert.match(problemsOf({ containers: [fakeContainer("app", { ports: ["80:80"] })] }, view).join(), /ctr knows no ports/);
  const unit = shown(
    compile({ containers: [fakeContainer("app", { network: "host", volumes: ["/srv/a:/a:ro"] })] }, view),
    "/etc/systemd/system/app.service",
  );
  assert.match(unit!, /^ExecStartPre=\/usr\/bin\/ctr image pull registry\.example\/app:1$/m);
  assert.match(
    unit!,
    /^ExecStart=\/usr\/bin\/ctr run --rm --mount type=bind,src=\/srv\/a,dst=\/a,options=rbind:ro --net-host registry/m,
  );
});

test("a folder on the way is made where there is none, and otherwise left as it is; one that is asked for is as it is asked for", () => {
  const step = fakeStep("one", { directories: [{ path: "/var/lib/asked", mode: 0o750, owner: "alice" }] });
  const compilation = compile({
    users: [fakeUser("alice")],
    files: [fakeFile("/etc/app/x"), fakeFile("/home/alice/.config/x", { owner: "alice" }), fakeFile("/var/lib/asked/x")],
    stages: { rootfs: [step] },
  });
  const folders = compilation.compiled.entries.flatMap(({ path, owner, what }) =>
    what.is === "folder" ? [{ path, owner, ...what }] : [],
  );
  assert.deepEqual(folders, [
    { path: "/etc/app", owner: "root:root", is: "folder", mode: 0o755, keep: true },
    { path: "/home/alice", owner: "alice:alice", is: "folder", mode: 0o700, keep: true },
    { path: "/home/alice/.config", owner: "alice:alice", is: "folder", mode: 0o700, keep: true },
    { path: "/var/lib/asked", owner: "alice:alice", is: "folder", mode: 0o750 },
  ]);
});

test("kernel arguments of all documents together have a limit", () => {
  const append = Array.from({ length: 3 }, (_, index) => `x${index}=${"y".repeat(180)}`);
  assert.deepEqual(compile({ kernelArgs: { append: append.slice(1), remove: [] } }).kernelArgs.append, append.slice(1));
  const { kernelArgs, unsupported } = compileTolerantly(fakeConfig({ kernelArgs: { append, remove: [] } }), debian(), MEANS);
  assert.deepEqual([kernelArgs.append, unsupported.map(({ key }) => key)], [[], ["kernel.args"]]);
});

test("what is kept and has no effect yet is told", () => {
  const told = (about: Partial<NodeConfig>): readonly string[] => compile(about).notes;
  assert.deepEqual(told({ kernelArgs: { append: ["quiet"], remove: [] } }), []);
  assert.deepEqual(told({ updates: fakeUpdates({}) }), []);
  assert.deepEqual(told({ updates: fakeUpdates({ bandwidth: 5 }) }), ["updates.bandwidth: is kept, and has no effect yet"]);
});
