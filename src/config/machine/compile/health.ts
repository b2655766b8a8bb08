/** @portable `health`: the image's own checks and the config's. */
import { HEALTH_PLAN_PATH, parseHealthPlan } from "../../../layout/health-plan.ts";
import type { NodeConfig } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";
import type { Part } from "./part.ts";

/** A check of the same name takes the image's place, in the image's order. */
export function compileHealth({ health }: NodeConfig, view: ImageView): Part {
  if (!health) return {};
  const { checks: image, ...plan } = parseHealthPlan(view.read(HEALTH_PLAN_PATH)).plan;
  const own = new Map(health.checks.map((check) => [check.name, check]));
  const replaced = image.map((check) => own.get(check.name) ?? check);
  const names = new Set(image.map(({ name }) => name));
  return { health: { ...plan, ...health, checks: [...replaced, ...health.checks.filter(({ name }) => !names.has(name))] } };
}
