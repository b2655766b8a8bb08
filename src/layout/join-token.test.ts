import assert from "node:assert/strict";
import { test } from "node:test";
import { formatJoinToken, parseJoinToken } from "./join-token.ts";

const TOKEN = { id: "0badcafe", secret: "a_-4".repeat(8), authority: "SHA256:6jrVGNkbPXuKQYVYwWXcVsUQ+xJqqqzU0PSTcVJ5/1s" };

test("a join token is one word, and says what it was made of", () => {
  const text = formatJoinToken(TOKEN);
  assert.match(text, /^[A-Za-z0-9._-]+$/);
  assert.deepEqual(parseJoinToken(text), TOKEN);
});

test("a join token of another form is none", () => {
  const text = formatJoinToken(TOKEN);
  for (const other of ["", text.slice(1), text.slice(0, -1), `${text}x`, text.replace("_", "+"), text.toUpperCase(), ` ${text}`])
    assert.equal(parseJoinToken(other), undefined, other);
});
