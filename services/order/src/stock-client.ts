import { ControlAcknowledgement, type ControlState } from '@seckill/contracts';
import { Upstream } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

const acknowledgement = Compile(ControlAcknowledgement);
/** Stock loads the sale within this call, and calls us back for it; an admin waits 5 s in all. */
const CONTROL_MS = 4_000;

export class StockError extends Error {
  override readonly name = 'StockError';
  readonly code = 'SECKILL_STOCK_ANSWER';
  readonly status: number;
  constructor(status: number) {
    super(`stock answered ${status} to a control state`);
    this.status = status;
  }
}

export interface StockClient {
  /**
   * @returns the version stock stands at.
   * @throws UpstreamError when there is no answer, StockError when it is not the one expected.
   */
  putControl(control: ControlState): Promise<number>;
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
      if (status !== 200 || !acknowledgement.Check(body)) throw new StockError(status);
      return body.version;
    },
    close: () => upstream.close(),
  };
}
