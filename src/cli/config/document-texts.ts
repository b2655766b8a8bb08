import { AppError } from "../../core/error.ts";
import type { DocumentBytes } from "./document-bytes.ts";

/** As they are sent: JSON holds text. @throws AppError `MACHINE_CONFIG_INVALID` */
export const documentTexts = (documents: readonly DocumentBytes[]): { readonly origin: string; readonly text: string }[] =>
  documents.map(({ origin, bytes }) => {
    try {
      return { origin, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
    } catch (cause) {
      throw new AppError("MACHINE_CONFIG_INVALID", `${origin}: is not UTF-8`, { cause });
    }
  });
