/**
 * The document that `GET /api/v1/live` gives. A member that may be `null` is missing after a patch has set it to `null`, because that is how a
 * JSON merge patch (RFC 7396) removes a member. So all of these are optional here.
 */

export type Maybe<T> = T | null | undefined;

export interface Live {
  version: string;
  /** RFC 3339. */
  started: string;
  config_generation: number;
  phase: "starting" | "ready" | "draining";
  /** Missing where the last reload was not refused. */
  reload_refused?: Maybe<{ at: string; reason: string }>;
  /** Files of TLS that can't be used, while what was in force before stays; missing where there is none. */
  certificates_refused?: Maybe<RefusedFile[]>;
  /** Missing where the configuration has no section `[cluster]`. */
  cluster?: Maybe<Cluster>;
  recovery: { paused: boolean; reason?: Maybe<string>; by?: Maybe<string> };
  listeners: Record<string, Listener>;
  services: Record<string, Service>;
  faults: Record<string, Fault>;
  recoveries: Record<string, Recovery>;
  service?: Maybe<Details>;
}

/** With neither a listener nor a service, it is the admin address's. */
export interface RefusedFile {
  listener?: Maybe<string>;
  service?: Maybe<string>;
  /** Empty where it is not a single file. */
  path: string;
  reason: string;
  since: string;
}

/** Which of several instances this is, and who leads. */
export interface Cluster {
  name: string;
  zone?: Maybe<string>;
  /** Whether a leader is elected; without an election each instance leads. */
  elected: boolean;
  /** Whether this one leads. */
  leader: boolean;
  /** Who leads, as far as that is known. */
  leader_name?: Maybe<string>;
  /** Why this one does not lead, in words. */
  why_not?: Maybe<string>;
}

export interface Listener {
  address: string;
  protocol: string;
  tls: boolean;
  connections: number;
}

/** A service, in short. Rates are per second, shares 0 to 1. */
export interface Service {
  state: "ok" | "impaired" | "down";
  /** What is wrong, in words; empty when nothing is. */
  words: string;
  balance: string;
  healthy: number;
  total: number;
  panic: boolean;
  rate: number;
  error_rate?: Maybe<number>;
  p50_ms?: Maybe<number>;
  p90_ms?: Maybe<number>;
  p99_ms?: Maybe<number>;
  in_flight: number;
  waiting: number;
  retry_rate: number;
  budget_left?: Maybe<number>;
  maintenance: boolean;
  faults: number;
  recovering: number;
}

export interface Fault {
  service: string;
  backend?: Maybe<string>;
  fault: string;
  confidence: number;
  since: string;
  text: string;
}

/** A repair that is under way or in force. */
export interface Recovery {
  service: string;
  backend?: Maybe<string>;
  fault: string;
  strategy: string;
  phase: string;
  text: string;
  waits_for_approval: boolean;
  /** It has ended, and what it did still holds. */
  in_force?: Maybe<boolean>;
  dry_run?: Maybe<boolean>;
}

/** All of one service. */
export interface Details {
  name: string;
  balance: string;
  protocol?: Maybe<string>;
  backends: Record<string, Backend>;
  shadow?: Maybe<Shadow[]>;
}

/** What another algorithm, which chooses beside the real one, would have done. */
export interface Shadow {
  algorithm: string;
  picks: number;
  /** The share of picks that were the real one's, too. */
  agreement?: Maybe<number>;
  /** By backend, the share of its picks. */
  backends: Record<string, number>;
  /** Estimated from how fast each backend was. */
  mean_ms?: Maybe<number>;
  p99_ms?: Maybe<number>;
}

export type BackendState = "up" | "starting" | "unknown" | "draining" | "disabled" | "down" | "ejected" | "broken";

export interface Backend {
  address: string;
  weight: number;
  zone?: Maybe<string>;
  backup: boolean;
  state: BackendState;
  reason?: Maybe<string>;
  since: string;
  by: string;
  rate?: Maybe<number>;
  /** Of the service's requests. */
  share?: Maybe<number>;
  error_rate?: Maybe<number>;
  latency_ms?: Maybe<number>;
  p50_ms?: Maybe<number>;
  p99_ms?: Maybe<number>;
  /** Requests that were sent again elsewhere after it had failed them. */
  retries?: Maybe<number>;
  in_flight: number;
  max_connections?: Maybe<number>;
  breaker?: Maybe<string>;
  work_share?: Maybe<number>;
  cpu?: Maybe<number>;
  memory?: Maybe<number>;
  last_check?: Maybe<{ ok: boolean; ms: number; reason?: Maybe<string> }>;
}

/** The last hour of a service, or of all: one point in `step_s` seconds, the oldest first. */
export interface History {
  step_s: number;
  end: string;
  rate: Maybe<number>[];
  error_rate: Maybe<number>[];
  p50_ms: Maybe<number>[];
  p99_ms: Maybe<number>[];
}
