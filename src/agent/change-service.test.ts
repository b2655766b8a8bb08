import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeInitSystem } from "../host/init-system.ts";
import { CommandError } from "../host/run.ts";
import { changeService } from "./change-service.ts";

function machine() {
  const init = fakeInitSystem();
  init.units["web.service"] = { active: true, state: "running" };
  init.units["job.timer"] = { active: false, state: "inactive" };
  return init;
}

test("a service is restarted, stopped and started; what is so already is left alone", async () => {
  const init = machine();
  const does = async (name: string, action: "start" | "stop" | "restart") => {
    const { changed, active } = await changeService(init, { name, action });
    return { changed, active };
  };
  assert.deepEqual(await does("web", "restart"), { changed: true, active: true });
  assert.deepEqual(await does("web.service", "start"), { changed: false, active: true });
  assert.deepEqual(await does("web.service", "stop"), { changed: true, active: false });
  assert.deepEqual(await does("web", "stop"), { changed: false, active: false });
  assert.deepEqual(await does("job.timer", "start"), { changed: true, active: true });
  assert.deepEqual(init.actions, ["restart web.service", "stop web.service", "start job.timer"]);
});

for (const name of [
  ...["petrifyd", "petrifyd.service", "petrify-api.socket", "petrify-stage@boot.service", "petrify-api"],
  ...["multi-user.target", "oem.mount", "-.slice"],
])
  test(`${name} is not to be stopped from elsewhere`, async () => {
    const init = machine();
    await assert.rejects(changeService(init, { name, action: "stop" }), { code: "SERVICE_PROTECTED" });
    assert.deepEqual(init.actions, []);
  });

test("a service that is not there, and one that does not start, are told apart", async () => {
  const init = machine();
  await assert.rejects(changeService(init, { name: "nothing", action: "stop" }), { code: "SERVICE_UNKNOWN" });
  const failed = new CommandError(["systemctl"], "exited with status 1", {
    exitCode: 1,
    stdout: "",
    stderr: "Job failed.\nSee…",
  });
  const failing = { ...init, act: async () => await Promise.reject(failed) };
  await assert.rejects(changeService(failing, { name: "web", action: "restart" }), {
    code: "SERVICE_FAILED",
    message: "web.service did not restart: Job failed. See…",
  });
});
