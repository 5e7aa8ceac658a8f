/** What the crowd beside the engines is told, and what it tells. */

export interface CrowdOrder {
  gateway: string;
  redis: string;
  isRedisCluster?: boolean;
  kafka: string;
  postgres: string;
  jwtSecret: string;
  webhookSecret: string;
  seed: number;
  /** Absent: the demo's crowd. Otherwise buyers without an end, until this file is there. */
  stopFile?: string;
}

export interface CrowdVerdict {
  /** What broke an invariant, or was told untrue. */
  findings: string[];
  /** Answers that the contract does not know. */
  odd: string[];
  figures: Record<string, number>;
}
