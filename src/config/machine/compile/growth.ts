/** @portable `growpart`: that the data partition does not grow. */
import type { NodeConfig } from "../node-config.ts";
import { UNIT_FOLDER } from "./enable-unit.ts";
import type { ImageView } from "./image-view.ts";
import { link, type Part } from "./part.ts";
import { openrcDisable } from "./units.ts";

/** Docs: docs/formats/gpt.md, "Growing" */
export const compileGrowth = ({ grow }: NodeConfig, view: ImageView): Part => {
  if (grow !== false) return {};
  if (view.init === "openrc") return { drafts: openrcDisable("growpart", "petrify-grow", view) };
  return { drafts: [link("growpart", `${UNIT_FOLDER}/petrify-grow.service`, "/dev/null")] };
};
