import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decodeAuthoritySettings } from "../../../layout/authority-settings.ts";
import { compileApi } from "./api.ts";
import { fakeConfig } from "./fake-config.ts";
import { alpine, debian } from "./fake-image.ts";

const TIMER = "[Timer]\nOnActiveSec=5s\n[Install]\nWantedBy=timers.target\n";
const api = { authority: "ca.example:50001", join: `0badcafe.${"s".repeat(32)}.${"f".repeat(43)}` };

suite("where somebody signs for the machine", () => {
  test("is in a file that only root reads, and the timer is enabled that has the machine ask there", () => {
    const image = debian({ "/usr/lib/systemd/system/petrify-authority.timer": TIMER });
    const { drafts = [], unsupported } = compileApi(fakeConfig({ api }), image);
    assert.deepEqual(unsupported, []);
    const [settings, link] = drafts;
    assert.ok(settings?.what.is === "file" && "text" in settings.what.content);
    assert.deepEqual([settings.path, settings.what.mode], ["/etc/petrify/authority.json", 0o600]);
    assert.deepEqual(decodeAuthoritySettings(settings.what.content.text), api);
    assert.equal(link?.path, "/etc/systemd/system/timers.target.wants/petrify-authority.timer");
  });

  test("is nowhere where the config does not say it", () => {
    assert.deepEqual(compileApi(fakeConfig(), debian()), {});
  });

  test("is refused by an image that knows nothing of it", () => {
    for (const image of [debian(), alpine()]) assert.equal(compileApi(fakeConfig({ api }), image).unsupported?.length, 1);
  });
});

test("settings of another form are none", () => {
  for (const text of ["", "[]", "null", '{"join":"x"}', '{"authority":1}', '{"authority":"x","join":1}'])
    assert.equal(decodeAuthoritySettings(text), undefined, text);
});
