import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_HEALTH_PLAN, encodeHealthPlan, parseHealthPlan, type HealthPlan } from "../layout/health-plan.ts";
import { healthPlan } from "./health.ts";
import { parseRecipe } from "./parse-recipe.ts";

const planOf = (health: string): HealthPlan =>
  healthPlan(parseRecipe(`apiVersion: petrify/v1\nname: x\nbase: { suite: trixie }\n${health}`, "r.yaml").health);

test("a recipe that says nothing about health has the default plan", () => {
  assert.deepEqual(planOf(""), DEFAULT_HEALTH_PLAN);
});

const FULL = `
health:
  deadline: 1h
  onFailure: reboot
  failedUnits: false
  checks:
    - unit: ssh.service
    - http: http://127.0.0.1:8080/healthz
      status: [200, 204]
    - http: https://db.example/
      timeout: 1s
    - tcp: 127.0.0.1:22
    - tcp: "[::1]:22"
    - command: [/usr/lib/my-app/check, --fast]
    - command: [/usr/lib/my-app/check, --slow]
      name: my-app
      timeout: 5min
`;

test("every check gets its name and its timeout, and the agent reads what was meant", () => {
  const plan: HealthPlan = {
    ...{ deadlineSeconds: 3600, onFailure: "reboot", failedUnits: false },
    checks: [
      { name: "ssh.service", kind: "unit", unit: "ssh.service", timeoutSeconds: 10 },
      {
        ...{ name: "http://127.0.0.1:8080/healthz", kind: "http", url: "http://127.0.0.1:8080/healthz" },
        ...{ status: [200, 204], timeoutSeconds: 10 },
      },
      { name: "https://db.example/", kind: "http", url: "https://db.example/", timeoutSeconds: 1 },
      { name: "127.0.0.1:22", kind: "tcp", host: "127.0.0.1", port: 22, timeoutSeconds: 10 },
      { name: "[::1]:22", kind: "tcp", host: "::1", port: 22, timeoutSeconds: 10 },
      {
        ...{ name: "/usr/lib/my-app/check --fast", kind: "command" },
        ...{ argv: ["/usr/lib/my-app/check", "--fast"], timeoutSeconds: 10 },
      },
      { name: "my-app", kind: "command", argv: ["/usr/lib/my-app/check", "--slow"], timeoutSeconds: 300 },
    ],
  };
  assert.deepEqual(planOf(FULL), plan);
  assert.deepEqual(parseHealthPlan(encodeHealthPlan(plan)), { plan, notes: [] });
});
