import assert from "node:assert/strict";
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { DescFile } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { includesRole, ROLES } from "../../pki/identity.ts";
import { refusalOf, strangersOnly } from "./authorize.ts";
import { METHOD_ROLES, OF_AUTHORITY, WITHOUT_OWNER } from "./methods.ts";

const PROTOCOL = join(import.meta.dirname, "../../protocol");

/** Full names of all that the contract has. */
async function methods(): Promise<string[]> {
  const found: string[] = [];
  for await (const name of glob("**/*_pb.ts", { cwd: PROTOCOL })) {
    const values = Object.values((await import(join(PROTOCOL, name))) as Record<string, unknown>);
    const files = values.filter((value): value is DescFile => (value as { kind?: unknown } | null)?.kind === "file");
    found.push(
      ...files.flatMap(({ services }) =>
        services.flatMap((one) => one.methods.map((method) => `${one.typeName}.${method.name}`)),
      ),
    );
  }
  return found;
}

suite("roles", () => {
  test("every method of the contract takes one, and nothing else does", async () => {
    const all = await methods();
    assert.ok(all.includes("petrify.v1.NodeService.Status"), "the test looks at the contract");
    assert.deepEqual(Object.keys(METHOD_ROLES).toSorted(), all.toSorted());
  });

  test("include those before them", () => {
    for (const [has, needed, may] of [
      ["reader", "reader", true],
      ["reader", "operator", false],
      ["reader", "admin", false],
      ["operator", "reader", true],
      ["operator", "operator", true],
      ["operator", "admin", false],
      ["admin", "admin", true],
    ] as const) {
      assert.equal(includesRole(has, needed), may, `${has} for ${needed}`);
    }
  });

  test("a caller of each may call what the table says, until its certificate ends; a method without a row nobody may call", () => {
    for (const role of ROLES) {
      const caller = { name: "x", role, epoch: 1, from: 10, until: 100, serial: "0A", address: "192.0.2.1" };
      for (const [method, needed] of Object.entries(METHOD_ROLES)) {
        const may = needed !== WITHOUT_OWNER && needed !== OF_AUTHORITY && includesRole(role, needed);
        assert.equal(refusalOf(caller, method, 99) === undefined, may, `${role}: ${method}`);
        assert.match(String(refusalOf(caller, method, 100)), /unauthenticated.*has expired/);
        assert.match(String(refusalOf(caller, method, 9)), /clock of this machine says 1970-01-01T00:00:09.000Z/);
      }
      for (const method of ["petrify.v1.NodeService.Nothing", "constructor", "__proto__"]) {
        assert.match(String(refusalOf(caller, method, 99)), /permission_denied/);
      }
    }
    assert.match(String(refusalOf(undefined, "petrify.v1.NodeService.Version", 0)), /unauthenticated/);
  });

  test("are for owners: of a machine without one, anybody may call what is for that, and nothing else", () => {
    const called = [...Object.keys(METHOD_ROLES), "petrify.v1.NodeService.Nothing"].filter((method) => {
      const at = method.lastIndexOf(".");
      const call = { service: { typeName: method.slice(0, at) }, method: { name: method.slice(at + 1) } } as HandlerContext;
      try {
        strangersOnly(call);
        return true;
      } catch (error) {
        assert.match(String(error), /permission_denied.*no owner yet/);
        return false;
      }
    });
    assert.deepEqual(called, ["petrify.v1.EnrolmentService.Describe", "petrify.v1.EnrolmentService.Enrol"]);
  });
});
