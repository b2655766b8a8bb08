import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { isNormalPath } from "./persistent-folder.ts";
import { encodeResetRequest, parseResetRequest } from "./reset-request.ts";

test("paths are read as they were written, whatever their characters", () => {
  const path = fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 1 }).map((parts) => `/${parts.join("/")}`);
  fc.assert(
    fc.property(fc.array(path.filter(isNormalPath)), (paths) =>
      assert.deepEqual(parseResetRequest(encodeResetRequest(paths)), paths),
    ),
  );
});

test("whatever the file holds, what is read is a list of absolute, normal paths, or it is refused", () => {
  const paths = fc.array(fc.oneof(fc.constantFrom("/a", "/a/../b", "/", "", "a"), fc.jsonValue()));
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    paths.map((list) => JSON.stringify({ format: 1, paths: list })),
  );
  fc.assert(
    fc.property(text, (any) => {
      try {
        assert.ok(parseResetRequest(any).every(isNormalPath));
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === "RESET_REQUEST_INVALID", String(error));
      }
    }),
  );
});
