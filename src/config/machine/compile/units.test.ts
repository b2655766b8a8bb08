import { testMade, testRefused } from "../../../../tests/support/compile-cases.ts";
import { fakeUnit } from "./fake-config.ts";

const UNIT = "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n";

testMade([
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
]);

testRefused([
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
]);
