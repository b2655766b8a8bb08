/** @portable Services as OpenRC lists them. Source: OpenRC, rc-status(8), `--format ini` */

export interface RcService {
  readonly name: string;
  /** As OpenRC says it: started, stopped, crashed. */
  readonly state: string;
  /** Under which it is listed; for what is of no runlevel, words such as `Dynamic Runlevel: manual`. */
  readonly runlevel: string;
}

/** One that is of several runlevels is there for each of them. Lines of another form are passed over. Never throws. */
export function parseRcStatus(text: string): RcService[] {
  const services: RcService[] = [];
  let runlevel = "";
  for (const line of text.split("\n")) {
    runlevel = /^\[(.*)\]$/.exec(line)?.[1] ?? runlevel;
    const [, name, state] = /^(\S+) = {1,2}(\w+)/.exec(line) ?? [];
    if (name !== undefined) services.push({ name, state: state!, runlevel });
  }
  return services;
}
