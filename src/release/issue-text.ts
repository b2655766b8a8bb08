import type { z } from "zod";

/** The first thing that is wrong, with its place. @portable */
export function issueText(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.join(".") || "(top level)"}: ${issue?.message}`;
}
