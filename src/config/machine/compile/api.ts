/** @portable `api`: where somebody signs for the machine's authority. */
import { AUTHORITY_SETTINGS, AUTHORITY_TIMER } from "../../../layout/api-places.ts";
import { encodeAuthoritySettings } from "../../../layout/authority-settings.ts";
import type { NodeConfig } from "../node-config.ts";
import { enableLinks } from "./enable-unit.ts";
import type { ImageView } from "./image-view.ts";
import { textFile, type Part } from "./part.ts";

/** A machine without this key has neither the file, nor the timer: nothing asks anybody. */
export function compileApi({ api, units }: NodeConfig, view: ImageView): Part {
  if (!api) return {};
  if (view.init === "openrc") return { unsupported: [{ key: "api", problem: "images with OpenRC have no API yet" }] };
  const { drafts, unsupported } = enableLinks("api", AUTHORITY_TIMER, view, units);
  const settings = textFile("api", AUTHORITY_SETTINGS, encodeAuthoritySettings(api), 0o600);
  return { drafts: [settings, ...drafts], unsupported };
}
