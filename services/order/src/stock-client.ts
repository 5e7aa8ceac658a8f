import {
  ControlAcknowledgement,
  RetakeAnswers,
  StockState,
  type ControlState,
  type RetakeAnswer,
} from '@seckill/contracts';
import { Upstream } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';

const acknowledgement = Compile(ControlAcknowledgement);
/** Stock loads the sale within this call, and calls us back for it. An operator waits 5 s in all. */
const CONTROL_MS = 4_000;
const retakeAnswers = Compile(RetakeAnswers);
/**
 * Stock takes the units of each order again by one script in Redis. Orders without an answer are asked for
 * again.
 */
const RETAKE_MS = 2_000;
const stockState = Compile(StockState);
/** Stock reads the state of a lane by one script in Redis. */
const STATE_MS = 2_000;
const clockAnswer = Compile(Type.Object({ now: Type.Integer({ minimum: 0 }) }));
/** A later answer tells nothing, because the measurement is uncertain by half of what it took. */
const CLOCK_MS = 1_000;

export class StockError extends Error {
  override readonly name = 'StockError';
  readonly code = 'SECKILL_STOCK_ANSWER';
  readonly status: number;
  constructor(status: number, question: string) {
    super(`stock answered ${status} to ${question}`);
    this.status = status;
  }
}

export interface StockClient {
  /**
   * @returns the version and the epoch stock stands at.
   * @throws UpstreamError when there is no answer, StockError when it is not the one expected.
   */
  putControl(control: ControlState): Promise<ControlAcknowledgement>;
  /**
   * @returns Redis' clock, milliseconds since the epoch.
   * @throws UpstreamError when there is no answer, StockError when it is not the one expected.
   */
  readClock(): Promise<number>;
  /**
   * @returns the state of the sale's lane, as Redis has it now.
   * @throws UpstreamError when there is no answer, StockError when it is not the one expected.
   */
  readState(saleId: string): Promise<StockState>;
  /**
   * Takes the units of expired orders again (D58). A repeat takes nothing twice.
   * @returns one answer for each, in order.
   * @throws UpstreamError when there is no answer, StockError when it is not the one expected.
   */
  retake(reservationIds: string[]): Promise<RetakeAnswer[]>;
  close(): Promise<void>;
}

export function createStockClient(options: { url: string; token: string; connections: number }): StockClient {
  const upstream = new Upstream({ ...options, timeoutMs: CONTROL_MS });
  return {
    async putControl(control) {
      const { status, body } = await upstream.call({
        method: 'PUT',
        path: `/internal/sales/${control.saleId}`,
        body: control,
      });
      if (status !== 200 || !acknowledgement.Check(body)) throw new StockError(status, 'a control state');
      return body;
    },
    async readClock() {
      const { status, body } = await upstream.call({
        method: 'GET',
        path: '/internal/clock',
        timeoutMs: CLOCK_MS,
      });
      if (status !== 200 || !clockAnswer.Check(body))
        throw new StockError(status, 'the question for its clock');
      return body.now;
    },
    async readState(saleId) {
      const { status, body } = await upstream.call({
        method: 'GET',
        path: `/internal/sales/${saleId}/state`,
        timeoutMs: STATE_MS,
      });
      if (status !== 200 || !stockState.Check(body)) throw new StockError(status, 'the question for a state');
      return body;
    },
    async retake(reservationIds) {
      const { status, body } = await upstream.call({
        method: 'POST',
        path: '/internal/retakes',
        body: { reservationIds },
        timeoutMs: RETAKE_MS,
      });
      if (status !== 200 || !retakeAnswers.Check(body) || body.length !== reservationIds.length)
        throw new StockError(status, 'retakes');
      return body;
    },
    close: () => upstream.close(),
  };
}
