import { AppError } from "../../core/error.ts";
import { KiB } from "../../core/units.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import type { DocumentBytes } from "./document-bytes.ts";

/** As they are sent: JSON holds text. @throws AppError `MACHINE_CONFIG_INVALID` */
export const documentTexts = (documents: readonly DocumentBytes[]): { readonly origin: string; readonly text: string }[] =>
  documents.map(({ origin, bytes }) => {
    if (bytes.length > MACHINE_CONFIG_LIMIT) {
      const problem = `${origin}: a machine config of more than ${MACHINE_CONFIG_LIMIT / KiB} KiB is not read`;
      throw new AppError("MACHINE_CONFIG_INVALID", problem, {
        hint: "Bring large files by source.uri of write_files, or with the image.",
      });
    }
    try {
      return { origin, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
    } catch (cause) {
      throw new AppError("MACHINE_CONFIG_INVALID", `${origin}: is not UTF-8`, { cause, hint: "Save it as UTF-8." });
    }
  });
