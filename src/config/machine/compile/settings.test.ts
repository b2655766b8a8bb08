/** Names, time, language, keyboard, authorities, variables and the kernel: keys that come to a file each. */
import { testMade, testRefused } from "../../../../tests/support/compile-cases.ts";
import { SPACED, UMLAUT } from "./fake-certificates.ts";

testMade([
  ["a host name", "debian", { hostname: "web-1" }, { "/etc/hostname": "web-1\n", "/etc/hosts": undefined }],
  [
    "a line of its own in the hosts file",
    "debian",
    { hostname: "web-1", fqdn: "web-1.example.net", manageEtcHosts: true },
    { "/etc/hosts": /^# From .*\n127\.0\.0\.1\tlocalhost\n::1.*\n127\.0\.1\.1 web-1\.example\.net web-1\n$/ },
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
]);

testRefused([
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
]);
