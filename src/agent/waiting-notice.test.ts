import assert from "node:assert/strict";
import { test } from "node:test";
import { qrText } from "../layout/qr-code.ts";
import { issueText, noticeLine } from "./waiting-notice.ts";

test("the consoles of a machine that waits for its owner show its key, in a line of its own", () => {
  const key = "SHA256:6jrVGNkbPXuKQYVYwWXcVsUQmxJqqqzU0PSTcVJ5Y1s";
  assert.match(issueText(key, false), new RegExp(`^ +${key}$`, "m"));
  for (const line of issueText(key, false).split("\n")) assert.ok(line.length <= 79, line);
  assert.ok(issueText(key, false).includes(qrText(key)), "and a QR code of it");
  assert.ok(issueText(key, false).split("\n").length <= 25, "on one screen");
  assert.match(issueText(key, true), /--recovery-token-file/);
  assert.match(noticeLine(key), new RegExp(`port 50000; its key is ${key}$`));
});
