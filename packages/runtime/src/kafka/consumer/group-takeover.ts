import type { Kafka } from 'kafkajs';
import { systemClock, type Clock } from '../../clock.ts';

/**
 * Where the members of one consumer group tell that they live. The store judges by its own clock. A member of
 * a process that does not use the store is never named.
 */
export interface MemberStore {
  /** Tells that this member lives. @returns the members that have not told for `MEMBER_SILENT_MS`. */
  renew(memberId: string): Promise<string[]>;
  /** Does as `renew`, before this process has joined the group. */
  readSilent(): Promise<string[]>;
  forget(memberId: string): Promise<void>;
}

/**
 * A member that has not told for this long is taken for dead. A wrong guess costs one rearrangement of the
 * group.
 */
export const MEMBER_SILENT_MS = 1_500;
const RENEW_MS = 400;
/** While this process waits for its place in the group, it looks more often: its messages wait with it. */
const JOINING_MS = 100;
/**
 * A coordinator that is away with the member that died must not hold up the others. The next look tries
 * again.
 */
const EVICT_MS = 2_000;
/**
 * A member that could not reach the store itself does not judge others. Two renewals in a row within this
 * time are needed.
 */
const TRUSTED_MS = 1_000;

/** A connection to the coordinator of the group. */
export interface GroupConnection {
  /** Makes a member leave. A member that the group does not know has left already, and is no error. */
  remove(memberId: string): Promise<void>;
  /** Never throws. */
  close(): Promise<void>;
}

export interface TakeoverOptions {
  groupId: string;
  members: MemberStore;
  /** Connects to the group's coordinator. A death is rare, so nothing is kept open for it. */
  connect: () => Promise<GroupConnection>;
  log: ReturnType<Kafka['logger']>;
  clock?: Clock;
}

/**
 * Frees the partitions of a member that died. Kafka itself waits for the group's session time, 10 s, before
 * it gives them to another. Units of a hold that ended would come back that much later (INV-5 asks for 2 s),
 * and so would rows. Any client may tell Kafka that a member leaves. Measured takeovers stand in
 * docs/recovery.md. A wrong guess harms nothing: offsets are the store's, and what two processes do at the
 * same time is done once.
 *
 * A process that joins judges by its first look (D100). A join rearranges the group anyway; and if every
 * process was killed at once, nobody else is there to look.
 */
export class GroupTakeover {
  readonly #options: TakeoverOptions;
  readonly #clock: Clock;
  #memberId: string | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #isEvicting = false;

  constructor(options: TakeoverOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * The group has given us this name. Kafka gives another one when it has removed us, for example after a
   * long freeze.
   */
  async joined(memberId: string): Promise<void> {
    const before = this.#memberId;
    this.#memberId = memberId;
    if (before === undefined || before === memberId) return;
    await this.#options.members.forget(before).catch((error: unknown) => {
      this.#warn('a member could not be forgotten', error);
    });
  }

  /** Runs from before the consumer joins until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#step();
      } catch (error) {
        this.#warn('the members of the group cannot be told or read', error);
      }
      await this.#clock.sleep(this.#memberId === undefined ? JOINING_MS : RENEW_MS, signal);
    }
    if (this.#memberId === undefined) return;
    await this.#options.members.forget(this.#memberId).catch(() => undefined);
  }

  async #step(): Promise<void> {
    const { members } = this.#options;
    const memberId = this.#memberId;
    const silent = await (memberId === undefined ? members.readSilent() : members.renew(memberId));
    const now = this.#clock.now();
    const isTrusted = memberId === undefined || now - this.#renewedAt < TRUSTED_MS;
    this.#renewedAt = now;
    // This runs beside the renewals: a member that waited here for a coordinator that is away would seem dead
    // to the others.
    if (!isTrusted || silent.length === 0 || this.#isEvicting) return;
    this.#isEvicting = true;
    void this.#evictInTime().finally(() => {
      this.#isEvicting = false;
    });
  }

  /** Never throws. */
  async #evictInTime(): Promise<void> {
    const late = new AbortController();
    const evicted = this.#evictAll(late.signal).catch((error: unknown) => {
      if (!late.signal.aborted) this.#warn('a silent member could not be made to leave', error);
    });
    const inTime = new AbortController();
    await Promise.race([evicted, this.#clock.sleep(EVICT_MS, inTime.signal)]);
    inTime.abort();
    late.abort();
  }

  async #evictAll(late: AbortSignal): Promise<void> {
    const { groupId, members, connect, log } = this.#options;
    const group = await connect();
    try {
      // To connect takes time, and a silent member may have come back meanwhile.
      const silent = late.aborted ? [] : await members.readSilent();
      await Promise.all(
        silent.map(async (dead) => {
          log.error('a member of the group is silent and leaves', { groupId, memberId: dead });
          await group.remove(dead);
          await members.forget(dead);
        }),
      );
    } finally {
      await group.close();
    }
  }

  #warn(message: string, error: unknown): void {
    this.#options.log.error(message, { groupId: this.#options.groupId, error: String(error) });
  }
}

/** What kafkajs has inside and does not offer. The group's coordinator takes a leave for any member. */
interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  findGroupCoordinator(group: { groupId: string }): Promise<{
    leaveGroup(member: { groupId: string; memberId: string }): Promise<unknown>;
  }>;
}

/**
 * Opens a connection of its own: the consumer's waits for the answer to its join, and the join for the dead
 * member. kafkajs' admin client cannot remove a member, and its consumer can remove only itself. So the
 * cluster is made as kafkajs' own `Kafka.admin` makes one (its index.js, 2.2.4).
 * @throws kafkajs' own error, as `remove` does.
 */
export async function connectGroup(kafka: Kafka, groupId: string): Promise<GroupConnection> {
  const cluster = makeCluster(kafka);
  const close = () => cluster.disconnect().catch(() => undefined);
  try {
    await cluster.connect();
    // Without this kafkajs finds no broker to ask, and tries again 0.1 s later.
    await cluster.refreshMetadata();
    const coordinator = await cluster.findGroupCoordinator({ groupId });
    return {
      close,
      async remove(memberId) {
        try {
          await coordinator.leaveGroup({ groupId, memberId });
        } catch (error) {
          const isGone = error instanceof Error && 'type' in error && error.type === 'UNKNOWN_MEMBER_ID';
          if (!isGone) throw error;
        }
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function makeCluster(kafka: Kafka): Cluster {
  const name = 'private:Kafka:createCluster';
  const symbol = Object.getOwnPropertySymbols(kafka).find((one) => one.description === name);
  const create = symbol && (kafka as unknown as Record<symbol, unknown>)[symbol];
  if (typeof create !== 'function') throw new Error('kafkajs has another inside than 2.2.4');
  return (create as (options: { allowAutoTopicCreation: boolean }) => Cluster)({
    allowAutoTopicCreation: false,
  });
}
