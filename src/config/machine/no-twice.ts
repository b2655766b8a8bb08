/** @portable Two entries of a list that cannot both hold. */
import type { z } from "zod";

/** @param keys that make an entry what it is; an entry without the first is like no other */
export const noTwice =
  (keys: readonly PropertyKey[], isMeant: (entry: object) => boolean = () => true) =>
  (entries: readonly object[], context: z.RefinementCtx): void => {
    const seen = new Set<string>();
    for (const [index, entry] of entries.entries()) {
      const values = keys.map((key) => (entry as Readonly<Record<PropertyKey, unknown>>)[key]);
      const [first] = values;
      if (typeof first !== "string" || !isMeant(entry)) continue;
      const name = JSON.stringify(values);
      if (seen.has(name)) context.addIssue({ code: "custom", path: [index], message: `${first} is there twice` });
      seen.add(name);
    }
  };
