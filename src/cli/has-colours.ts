import type { Edge } from "./context.ts";

/** Whether what a command prints may have colours: on a terminal that knows them, unless somebody wants none. Source: no-color.org */
export const hasColours = ({ terminal, env }: Pick<Edge, "terminal" | "env">): boolean =>
  terminal.output.isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
