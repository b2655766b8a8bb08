/** A machine that keeps itself current, in memory: its days, its troubles, and what must never happen on it. For tests. */
import assert from "node:assert/strict";
import { openings } from "../../config/updates/calendar.ts";
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import type { FinishedOperation } from "../../layout/operation.ts";
import { EMPTY_UPDATES, type KnownRelease, type UpdatesState } from "../../layout/updates-state.ts";
import { chooseRelease } from "./choose.ts";
import { decide, lookKey, timeNeeded, type UpdateBecause, type UpdateDecision, type UpdateFacts } from "./decide.ts";
import { next, type UpdateEvent } from "./next.ts";

export interface FakeRelease extends KnownRelease {
  readonly isGood: boolean;
}
/** The server of a fleet's lock: so many hold it at once. */
export class FakeFleet {
  readonly holders = new Set<string>();
  readonly slots: number;
  isUp = true;
  constructor(slots: number) {
    this.slots = slots;
  }
  take(id: string): boolean {
    if (!this.isUp || (!this.holders.has(id) && this.holders.size >= this.slots)) return false;
    this.holders.add(id);
    return true;
  }
  giveBack(id: string): boolean {
    if (this.isUp) this.holders.delete(id);
    return this.isUp;
  }
}

export interface FakeNodeMeans {
  readonly id: string;
  readonly config: UpdatesConfig;
  /** 0 … 1 */
  readonly random: () => number;
  /** What the source has by now. */
  readonly releases: () => readonly FakeRelease[];
  readonly fleet?: FakeFleet;
  /** True time at the beginning, seconds since 1970. */
  readonly start: number;
}

const BOOT = 60;
const COARSE = 3 * 3600;
const UNTIMED: ReadonlySet<UpdateBecause> = new Set(["clock not set", "metered"]);

export class FakeNode {
  readonly config: UpdatesConfig;
  /** True time. */
  time: number;
  /** Of the machine's clock, from the true time. */
  clockOff = 0;
  clockIsSet = true;
  isSourceUp = true;
  isMetered = false;
  locks: { readonly name: string; readonly until: number }[] = [];
  running: FakeRelease;
  steps: { readonly do: string; readonly at: number; readonly version?: string }[] = [];
  readonly #means: FakeNodeMeans;
  #stored = EMPTY_UPDATES;
  #downloaded: string | undefined;
  #staged: FakeRelease | undefined;
  #trial: { readonly before: FakeRelease; readonly until: number } | undefined;
  #booted: number;
  #operations: FinishedOperation[] = [];
  /** Away from its work: it restarts, and is not healthy yet. */
  away = false;
  /** True times by image: when it fell back, when somebody wanted it again. */
  readonly fell = new Map<string, number>();
  readonly wanted = new Map<string, number>();

  constructor(means: FakeNodeMeans, running: FakeRelease) {
    this.#means = means;
    this.config = means.config;
    this.time = means.start;
    this.#booted = means.start;
    this.running = running;
    this.#begin();
  }

  /** As it was read back: the agent may have been killed a moment ago. */
  get state(): UpdatesState {
    return this.#stored;
  }
  get now(): number {
    return this.time + this.clockOff;
  }
  get facts(): UpdateFacts {
    const { release } = this.state;
    const isDownloaded = this.#downloaded !== undefined && this.#downloaded === release?.image;
    return {
      clockIsSet: this.clockIsSet,
      running: { is: this.#trial ? "trial" : "proven", image: this.running.image },
      at: release && this.#staged?.image === release.image ? "staged" : isDownloaded ? "downloaded" : "elsewhere",
      locks: this.locks.filter(({ until }) => until > this.time).map(({ name, until }) => ({ name, left: until - this.time })),
      isMetered: this.isMetered,
      uptime: this.time - this.#booted,
    };
  }

  hear(event: UpdateEvent): void {
    if (event.is === "told" && this.state.release) this.wanted.set(this.state.release.image, this.time);
    this.#stored = JSON.parse(JSON.stringify(next(this.state, event, this.now))) as UpdatesState;
  }
  decide(): UpdateDecision {
    return decide({ config: this.config, state: this.state, facts: this.facts, now: this.now });
  }

  /** One decision, and what follows; a cut loses what was done last, or that it was done. @returns true seconds that passed */
  turn({ isCut = false, longest = 3600 }: { readonly isCut?: boolean; readonly longest?: number } = {}): void {
    if (this.#trial && this.time >= this.#trial.until) this.#endTrial();
    const decision = this.decide();
    const { step } = decision;
    if (step.do === "nothing") {
      assert.ok(decision.again !== undefined && decision.again > this.now, `${decision.because}: asks to be asked at once`);
      // What is looked at every minute is not simulated every minute.
      const rest = Math.max(decision.again - this.now, UNTIMED.has(decision.because) ? COARSE : 0);
      this.time += Math.max(1, Math.min(rest, longest, this.#trial ? this.#trial.until - this.time : longest));
      return;
    }
    this.steps.push({ do: step.do, at: this.time, ...("release" in step && { version: step.release.version }) });
    if ("release" in step) this.#judge(step.do, step.release);
    const tell = (event: UpdateEvent): void => {
      if (!isCut) this.hear(event);
    };
    switch (step.do) {
      case "look":
        this.time += 5;
        if (!this.isSourceUp)
          tell({ is: "look failed", at: lookKey(this.config), reason: "the line is down", chance: this.#means.random() });
        else tell({ is: "looked", at: lookKey(this.config), release: this.#choose(), chance: this.#means.random() });
        break;
      case "download":
        this.time += 120;
        if (!this.isSourceUp) tell({ is: "failed", image: step.release.image, reason: "the line is down" });
        else {
          this.#staged = undefined;
          this.#downloaded = step.release.image;
          tell({ is: "downloaded", image: step.release.image });
        }
        break;
      case "take-lock":
        this.time += 1;
        if (this.#means.fleet!.take(this.#means.id)) tell({ is: "lock taken" });
        else tell({ is: "lock refused", reason: "all slots are taken" });
        break;
      case "give-lock-back":
        this.time += 1;
        if (this.#means.fleet!.giveBack(this.#means.id)) tell({ is: "lock given back" });
        else tell({ is: "lock not given back", reason: "the server is down" });
        break;
      case "stage": {
        tell({ is: "staging", image: step.release.image, uptime: this.facts.uptime });
        this.time += 30;
        const isHere = [this.#downloaded, this.#staged?.image].includes(step.release.image);
        if (!isHere && !this.isSourceUp) tell({ is: "failed", image: step.release.image, reason: "the line is down" });
        else {
          this.#staged = this.#means.releases().find(({ image }) => image === step.release.image)!;
          tell({ is: "staged", uptime: this.facts.uptime });
        }
        break;
      }
      case "restart":
        this.restart();
        return;
    }
    if (isCut) this.cut();
  }

  /** As somebody asks for it, or power comes back: what is staged is booted. */
  restart(): void {
    const staged = this.#staged;
    this.time += BOOT;
    if (staged) {
      this.#trial = { before: this.running, until: this.time + (staged.isGood ? 90 : 900) };
      this.running = staged;
      this.#staged = undefined;
      this.#downloaded = undefined;
      this.away = true;
    }
    this.#boot();
  }
  cut(): void {
    if (this.#trial) this.#fallBack();
    else this.restart();
  }

  #boot(): void {
    this.#booted = this.time;
    this.#begin();
  }
  #begin(): void {
    this.hear({ is: "started", coordinated: this.config.coordination !== undefined });
    this.hear({ is: "history", operations: this.#operations });
  }
  #endTrial(): void {
    if (!this.running.isGood) return this.#fallBack();
    this.#trial = undefined;
    this.away = false;
    this.hear({ is: "healthy", image: this.running.image, uptime: this.facts.uptime });
  }
  #fallBack(): void {
    const { running } = this;
    this.running = this.#trial!.before;
    this.#trial = undefined;
    this.away = false;
    this.time += BOOT;
    this.fell.set(running.image, this.time);
    const from = { slot: "a", version: this.running.version } as const;
    const entry = {
      id: String(this.time),
      kind: "upgrade",
      cause: "",
      startedAt: this.now,
      endedAt: this.now,
      from,
      target: "slot b",
    } as const;
    const image = { digest: running.image, version: running.version };
    this.#operations = [...this.#operations.slice(-5), { ...entry, image, outcome: "fell back", reason: "it is no good" }];
    this.#boot();
  }
  #choose(): KnownRelease | undefined {
    const found = chooseRelease(this.#means.releases(), this.config.channel, this.running, this.state.left);
    if (!found) return undefined;
    const { isGood: _, ...known } = found as FakeRelease;
    return known;
  }

  /** What must hold of a step, judged by what is so, not by what the decision has made of it. */
  #judge(what: string, release: KnownRelease): void {
    const { config, state, now } = this;
    const isTold = state.told?.image === release.image;
    const name = `${what} of ${release.version} at ${new Date(now * 1000).toISOString()}`;
    assert.notEqual(release.image, this.running.image, `${name}: it is what runs`);
    assert.ok(!this.#trial, `${name}: a trial runs`);
    assert.ok(this.clockIsSet, `${name}: nobody knows what day it is`);
    const fell = this.fell.get(release.image);
    const wanted = this.wanted.get(release.image) ?? Number.NEGATIVE_INFINITY;
    assert.ok(fell === undefined || wanted > fell, `${name}: it fell back here`);
    if (!isTold) {
      assert.ok(!state.paused || (state.paused.until !== undefined && now >= state.paused.until), `${name}: paused`);
      assert.ok(config.holdUntil === undefined || now >= config.holdUntil, `${name}: held`);
      assert.ok(now - release.created >= config.minAge, `${name}: too young`);
      assert.notEqual(config.mode, "notify", name);
    }
    if (what === "download") assert.ok(isTold || !this.isMetered || config.metered === "download", `${name}: metered`);
    const isApplied = what === "restart" || (what === "stage" && config.mode !== "stage");
    if (!isApplied) return;
    assert.ok(isTold || config.mode === "apply", `${name}: the mode is ${config.mode}`);
    assert.deepEqual(this.facts.locks, [], `${name}: locked`);
    const isOverdue = release.security && config.maxDelay !== undefined && now >= release.created + config.maxDelay;
    const [open] = openings(config, now, now + 86_400);
    const isOpen =
      open !== undefined &&
      open.start <= now &&
      (config.windows.length === 0 || open.end - now >= timeNeeded(state, this.facts) - 60);
    assert.ok(isTold || isOverdue || isOpen, `${name}: no window`);
    if (config.coordination) assert.ok(this.#means.fleet!.holders.has(this.#means.id), `${name}: without the fleet's lock`);
    if (what === "restart") assert.equal(this.#staged?.image, release.image, `${name}: it is not staged`);
  }
}
