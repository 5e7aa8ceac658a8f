// Generated from openapi.json by packages/client/test/contract.test.ts; do not edit.

export interface paths {
  '/v1/sales': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listSales'];
    put?: never;
    post: operations['createSale'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['getSale'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch: operations['changeSale'];
    trace?: never;
  };
  '/v1/sales/{saleId}/channels': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listChannels'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/pause': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['pauseSale'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/resume': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['resumeSale'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/close': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['closeSale'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/items/{sku}/pause': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['pauseItem'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/items/{sku}/resume': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['resumeItem'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/items/{sku}/restock': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['restockItem'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/items/{sku}/adjust': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['adjustItem'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/changes': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listChanges'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/events': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['watchSale'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/audit': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['auditSale'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/reservations': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['reserve'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/orders/{orderId}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['getOrder'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/orders': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listOrders'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/orders/{orderId}/cancel': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['cancelOrder'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/orders/{orderId}/pay': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['payOrder'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/orders': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listSaleOrders'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/orders/{orderId}/returns': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['returnLines'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/explain': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['explainSale'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/report': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['reportSale'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/outcomes': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['countOutcomes'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/sales/{saleId}/pickups': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listPickups'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/pickups': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['handOut'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/orders/{orderId}/move': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['moveOrder'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/notices': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listNotices'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/notices/{noticeId}/replay': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['replayNotice'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/refunds': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listRefunds'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/refunds/{refundId}/done': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['finishRefund'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/dead-letters': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listDeadLetters'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/dead-letters/{letterId}/replay': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['replayDeadLetter'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/dead-letters/{letterId}/done': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['finishDeadLetter'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/webhook-endpoints': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listWebhookEndpoints'];
    put?: never;
    post: operations['createWebhookEndpoint'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/webhook-endpoints/{endpointId}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['getWebhookEndpoint'];
    put?: never;
    post?: never;
    delete: operations['deleteWebhookEndpoint'];
    options?: never;
    head?: never;
    patch: operations['changeWebhookEndpoint'];
    trace?: never;
  };
  '/v1/webhook-endpoints/{endpointId}/rotate': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['rotateWebhookSecret'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/webhook-endpoints/{endpointId}/deliveries': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['listWebhookDeliveries'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/webhook-endpoints/{endpointId}/deliveries/{deliveryId}/replay': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['replayWebhookDelivery'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/v1/payments/notifications': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post: operations['notifyPayment'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/livez': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['isAlive'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/readyz': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['isReady'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/openapi.json': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get: operations['getContract'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
}
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    AdjustAnswer: {
      adjusted: number;
      sale: components['schemas']['Sale'];
    };
    AdjustRequest: {
      quantity: number;
      reason?: string;
    };
    Audit: {
      saleId: string;
      asOf: string;
      epoch: number;
      redis: {
        sku: string;
        total: number;
        available: number;
        held: number;
        paid: number;
      }[];
      postgres: {
        sku: string;
        total: number;
        pending: number;
        paid: number;
      }[];
      inFlight: {
        outbox: number;
        kafkaLag: number;
        orderOutbox: number;
        deadLetters: number;
      };
      verdict: 'holds' | 'in_flight' | 'broken';
      invariants: {
        'INV-1': 'holds' | 'in_flight' | 'broken';
        'INV-2': 'holds' | 'in_flight' | 'broken';
        'INV-3': 'holds' | 'in_flight' | 'broken';
        'INV-4': 'holds' | 'in_flight' | 'broken';
        'INV-5': 'holds' | 'in_flight' | 'broken';
        'INV-6': 'holds' | 'in_flight' | 'broken';
      };
      findings: string[];
    };
    Contact: {
      name?: string;
      phone?: string;
      note?: string;
      pickupPerson?: string;
    };
    KeptNotice: {
      id: string;
      webhookId: string;
      reason: string;
      state: 'kept' | 'replayed' | 'done';
      receivedAt: string;
      deliveries: number;
      body: string;
      stateAt: string;
      result?: 'paid' | 'already_paid' | 'refund_due' | 'recorded' | 'ignored' | 'kept';
      reference?: string;
    };
    KeptNoticePage: {
      data: components['schemas']['KeptNotice'][];
      nextCursor?: string;
    };
    Line: {
      sku: string;
      quantity: number;
      price: components['schemas']['Money'];
    };
    LineInput: {
      sku: string;
      quantity: number;
    };
    LocalTitle:
      | string
      | {
          zh: string;
          en: string;
        };
    LocalDescription:
      | string
      | {
          zh: string;
          en: string;
        };
    Metadata: {
      [key: string]: unknown;
    };
    Money: {
      amount: number;
      currency: string;
    };
    Order: {
      id: string;
      saleId: string;
      userId?: string;
      lines: components['schemas']['Line'][];
      channelId?: string;
      ref?: string;
      metadata?: components['schemas']['Metadata'];
      contact?: components['schemas']['Contact'];
      status: 'pending' | 'paid' | 'cancelled' | 'expired' | 'refused';
      amount: components['schemas']['Money'];
      reservedAt: string;
      expiresAt: string;
      paidAt?: string;
      endedAt?: string;
      pickupCode?: string;
      pickupChannelId?: string;
      pickedUpAt?: string;
      refundDue?: components['schemas']['Money'];
      returned?: {
        sku: string;
        quantity: number;
        restocked: boolean;
        at: string;
      }[];
      group?: 'waiting' | 'reached' | 'failed';
      payments?: {
        paymentId: string;
        amount: components['schemas']['Money'];
        result: 'paid' | 'refund_due' | 'recorded';
        reason?:
          | 'wrong_amount'
          | 'order_ended'
          | 'second_payment'
          | 'other_order'
          | 'unknown_order'
          | 'order_missing'
          | 'returned'
          | 'group_failed';
        at: string;
      }[];
    };
    MoveRequest: {
      channelId: string;
      reason?: string;
    };
    OrderPage: {
      data: components['schemas']['Order'][];
      nextCursor?: string;
    };
    ParkedMessage: {
      id: string;
      state: 'waiting' | 'replayed' | 'done';
      topic: string;
      partition: number;
      offset: string;
      key: string;
      error: string;
      isTruncated?: boolean;
      parkedAt: string;
      replayedAt?: string;
      doneAt?: string;
      doneBy?: string;
      doneReason?: string;
    };
    DeadLetterDone: {
      reason: string;
    };
    ParkedMessagePage: {
      data: components['schemas']['ParkedMessage'][];
      nextCursor?: string;
    };
    PaymentAnswer: {
      result: 'paid' | 'already_paid' | 'refund_due' | 'recorded' | 'ignored' | 'kept';
    };
    PaymentNotification: {
      type: 'payment.succeeded';
      timestamp: string;
      data: {
        orderId: string;
        paymentId: string;
        amount: {
          amount: number;
          currency: string;
        };
      };
    };
    Pickup: {
      orderId: string;
      userId: string;
      code: string;
      lines: {
        sku: string;
        quantity: number;
      }[];
      channelId?: string;
      contact?: components['schemas']['Contact'];
      pickedUpAt?: string;
    };
    PickupPage: {
      data: components['schemas']['Pickup'][];
      nextCursor?: string;
      load?: {
        sku: string;
        units: number;
      }[];
    };
    PickupRequest: {
      saleId: string;
      pickupPointId?: string;
      code: string;
    };
    Price: {
      amount: number;
      currency: string;
    };
    Refund: {
      id: string;
      orderId: string;
      paymentId: string;
      amount: components['schemas']['Money'];
      reason:
        | (
            | 'wrong_amount'
            | 'order_ended'
            | 'second_payment'
            | 'other_order'
            | 'unknown_order'
            | 'order_missing'
            | 'returned'
            | 'group_failed'
          )
        | 'no_order_yet';
      state: 'due' | 'done';
      since: string;
      notices: number;
      doneAt?: string;
      reference?: string;
    };
    RefundDone: {
      reference: string;
    };
    RefundPage: {
      data: components['schemas']['Refund'][];
      nextCursor?: string;
    };
    Reservation: {
      id: string;
      saleId: string;
      userId: string;
      lines: components['schemas']['Line'][];
      channelId?: string;
      ref?: string;
      metadata?: components['schemas']['Metadata'];
      status: 'pending';
      amount: components['schemas']['Money'];
      reservedAt: string;
      expiresAt: string;
    };
    ReserveRequest: {
      lines: components['schemas']['LineInput'][];
      channelId?: string;
      ref?: string;
      metadata?: components['schemas']['Metadata'];
      contact?: components['schemas']['Contact'];
    };
    ReasonRequest: {
      reason?: string;
    };
    ReturnRequest: {
      lines: components['schemas']['LineInput'][];
      restock: boolean;
      reason?: string;
    };
    RestockRequest: {
      quantity: number;
      reason?: string;
    };
    ReportSold: {
      units: {
        pending: number;
        paid: number;
        cancelled: number;
        expired: number;
        refused: number;
      };
      amounts: {
        pending: components['schemas']['Money'];
        paid: components['schemas']['Money'];
        cancelled: components['schemas']['Money'];
        expired: components['schemas']['Money'];
        refused: components['schemas']['Money'];
      };
      amountPaid: components['schemas']['Money'];
      returned: number;
      restocked: number;
      amountReturned: components['schemas']['Money'];
      commissionBase: components['schemas']['Money'];
    };
    ReportRef: {
      ref: string;
      paidUnits: number;
      amountPaid: components['schemas']['Money'];
      amountReturned: components['schemas']['Money'];
      commissionBase: components['schemas']['Money'];
    };
    Sale: {
      id: string;
      title: components['schemas']['LocalTitle'];
      description?: components['schemas']['LocalDescription'];
      image?: string;
      metadata?: components['schemas']['Metadata'];
      opensAt: string;
      closesAt: string;
      holdSeconds: number;
      limitPerBuyer?: number;
      holdsPerBuyerMax?: number;
      rejoinSeconds?: number;
      lateMoney?: 'refund' | 'retake';
      groupMinimum?: number;
      items: components['schemas']['SaleItem'][];
      channels?: components['schemas']['SaleChannel'][];
      state: 'loading' | 'scheduled' | 'open' | 'paused' | 'closed';
      version: number;
      serverTime: string;
    };
    SaleChange: {
      at: string;
      by?: string;
      action:
        | 'create'
        | 'change'
        | 'pause'
        | 'resume'
        | 'close'
        | 'restock'
        | 'adjust'
        | 'pause_item'
        | 'resume_item'
        | 'cancel_order'
        | 'return_order'
        | 'move_order';
      reason?: string;
      before: {
        [key: string]: unknown;
      };
      after: {
        [key: string]: unknown;
      };
      version: number;
    };
    SaleChangePage: {
      data: components['schemas']['SaleChange'][];
      nextCursor?: string;
    };
    SaleCause: {
      code:
        | 'stock_away'
        | 'redis_away'
        | 'lane_damaged'
        | 'gate_missing'
        | 'gate_closed'
        | 'sale_closed'
        | 'sale_paused'
        | 'sale_not_open'
        | 'outbox_full'
        | 'item_paused'
        | 'sold_out'
        | 'sold_out_for_now'
        | 'too_few_left'
        | 'channel_full'
        | 'limit_reached'
        | 'stock_older'
        | 'order_older'
        | 'order_away'
        | 'postgres_away'
        | 'kafka_away'
        | 'outbox_waits'
        | 'settlements_wait'
        | 'change_unconfirmed';
      stops: 'all' | 'part' | 'nothing';
      since?: string;
      until?: string;
      by?: string;
      reason?: string;
      skus?: string[];
      channels?: string[];
      limits?: {
        sku?: string;
        limit: number;
        buyers: number;
      }[];
      text: string;
      do: string;
    };
    SaleChannels: {
      channels: components['schemas']['SaleChannel'][];
    };
    SaleCounts: {
      state: 'loading' | 'scheduled' | 'open' | 'paused' | 'closed';
      version: number;
      items: {
        sku: string;
        total: number;
        available: number;
        held: number;
        paid: number;
        soldOut: 'no' | 'held' | 'final';
      }[];
      serverTime: string;
    };
    SaleChannel: {
      id: string;
      kind: 'community' | 'content' | 'store' | 'platform';
      title: components['schemas']['LocalTitle'];
      partnerId?: string;
      pickupPointId?: string;
      cap?: number;
      groupMinimum?: number;
      metadata?: components['schemas']['Metadata'];
    };
    SaleExplanation: {
      saleId: string;
      state?: 'loading' | 'scheduled' | 'open' | 'paused' | 'closed';
      selling: boolean;
      because: components['schemas']['SaleCause'][];
      items: {
        sku: string;
        total: number;
        available: number;
        held: number;
        paid: number;
        returned?: number;
        writtenOff?: number;
      }[];
      redis?: {
        asOf: string;
        items: {
          sku: string;
          total: number;
          available: number;
          held: number;
          paid: number;
        }[];
      };
      ledger?: {
        asOf: string;
        items: {
          sku: string;
          total: number;
          pending: number;
          paid: number;
          returned: number;
          writtenOff: number;
        }[];
      };
      onTheWay: {
        outbox?: number;
        outboxMax?: number;
        unstored?: number;
        settlements?: number;
      };
    };
    SaleInput: {
      id?: string;
      title: components['schemas']['LocalTitle'];
      description?: components['schemas']['LocalDescription'];
      image?: string;
      metadata?: components['schemas']['Metadata'];
      opensAt?: string;
      closesAt: string;
      holdSeconds?: number;
      limitPerBuyer?: number;
      holdsPerBuyerMax?: number;
      rejoinSeconds?: number;
      lateMoney?: 'refund' | 'retake';
      groupMinimum?: number;
      items: components['schemas']['SaleItemInput'][];
      channels?: components['schemas']['SaleChannel'][];
    };
    SaleItem: {
      sku: string;
      title: components['schemas']['LocalTitle'];
      description?: components['schemas']['LocalDescription'];
      image?: string;
      metadata?: components['schemas']['Metadata'];
      price: components['schemas']['Price'];
      minQuantity?: number;
      step?: number;
      limitPerBuyer?: number;
      components?: components['schemas']['LineInput'][];
      total: number;
      available: number;
      held: number;
      paid: number;
      soldOut: 'no' | 'held' | 'final';
      paused?: boolean;
    };
    SaleItemInput: {
      sku: string;
      title: components['schemas']['LocalTitle'];
      description?: components['schemas']['LocalDescription'];
      image?: string;
      metadata?: components['schemas']['Metadata'];
      price: components['schemas']['Price'];
      total?: number;
      components?: components['schemas']['LineInput'][];
      minQuantity?: number;
      step?: number;
      limitPerBuyer?: number;
    };
    SaleOutcomes: {
      saleId: string;
      gateway: string;
      atMs: number;
      outcomes: {
        [key: string]: number;
      };
    };
    SalePage: {
      data: components['schemas']['Sale'][];
      nextCursor?: string;
    };
    SalePatch: {
      title?: components['schemas']['LocalTitle'];
      description?: components['schemas']['LocalDescription'];
      image?: string;
      metadata?: components['schemas']['Metadata'];
      opensAt?: string;
      closesAt?: string;
      holdSeconds?: number;
      limitPerBuyer?: number | null;
      channels?: components['schemas']['SaleChannel'][];
      reason?: string;
    };
    SaleReport: {
      saleId: string;
      asOf: string;
      totals: {
        total: number;
        available: number;
        units: {
          pending: number;
          paid: number;
          cancelled: number;
          expired: number;
          refused: number;
        };
        amounts: {
          pending: components['schemas']['Money'];
          paid: components['schemas']['Money'];
          cancelled: components['schemas']['Money'];
          expired: components['schemas']['Money'];
          refused: components['schemas']['Money'];
        };
        amountPaid: components['schemas']['Money'];
        returned: number;
        restocked: number;
        amountReturned: components['schemas']['Money'];
        commissionBase: components['schemas']['Money'];
        refundDue: number;
      };
      items: components['schemas']['ReportItem'][];
      channels: components['schemas']['ReportChannel'][];
      direct: {
        units: {
          pending: number;
          paid: number;
          cancelled: number;
          expired: number;
          refused: number;
        };
        amounts: {
          pending: components['schemas']['Money'];
          paid: components['schemas']['Money'];
          cancelled: components['schemas']['Money'];
          expired: components['schemas']['Money'];
          refused: components['schemas']['Money'];
        };
        amountPaid: components['schemas']['Money'];
        returned: number;
        restocked: number;
        amountReturned: components['schemas']['Money'];
        commissionBase: components['schemas']['Money'];
        refs: components['schemas']['ReportRef'][];
      };
      partners: components['schemas']['ReportPartner'][];
      perMinute: components['schemas']['ReportMinute'][];
      refunds: components['schemas']['ReportRefunds'][];
      leftOut: {
        refs: number;
        minutes: number;
      };
    };
    ReportItem: {
      sku: string;
      title: components['schemas']['LocalTitle'];
      total: number;
      available: number;
      units: {
        pending: number;
        paid: number;
        cancelled: number;
        expired: number;
        refused: number;
      };
      amounts: {
        pending: components['schemas']['Money'];
        paid: components['schemas']['Money'];
        cancelled: components['schemas']['Money'];
        expired: components['schemas']['Money'];
        refused: components['schemas']['Money'];
      };
      amountPaid: components['schemas']['Money'];
      returned: number;
      restocked: number;
      amountReturned: components['schemas']['Money'];
      commissionBase: components['schemas']['Money'];
    };
    ReportChannel: {
      id: string;
      kind: 'community' | 'content' | 'store' | 'platform';
      title: components['schemas']['LocalTitle'];
      partnerId?: string;
      pickupPointId?: string;
      cap?: number;
      units: {
        pending: number;
        paid: number;
        cancelled: number;
        expired: number;
        refused: number;
      };
      amounts: {
        pending: components['schemas']['Money'];
        paid: components['schemas']['Money'];
        cancelled: components['schemas']['Money'];
        expired: components['schemas']['Money'];
        refused: components['schemas']['Money'];
      };
      amountPaid: components['schemas']['Money'];
      returned: number;
      restocked: number;
      amountReturned: components['schemas']['Money'];
      commissionBase: components['schemas']['Money'];
      refs: components['schemas']['ReportRef'][];
    };
    ReportPartner: {
      partnerId: string;
      channelIds: string[];
      units: {
        pending: number;
        paid: number;
        cancelled: number;
        expired: number;
        refused: number;
      };
      amounts: {
        pending: components['schemas']['Money'];
        paid: components['schemas']['Money'];
        cancelled: components['schemas']['Money'];
        expired: components['schemas']['Money'];
        refused: components['schemas']['Money'];
      };
      amountPaid: components['schemas']['Money'];
      returned: number;
      restocked: number;
      amountReturned: components['schemas']['Money'];
      commissionBase: components['schemas']['Money'];
    };
    ReportMinute: {
      minute: string;
      reserved: number;
      paid: number;
      ended: number;
      returned: number;
    };
    ReportRefunds: {
      state: 'due' | 'done';
      reason:
        | (
            | 'wrong_amount'
            | 'order_ended'
            | 'second_payment'
            | 'other_order'
            | 'unknown_order'
            | 'order_missing'
            | 'returned'
            | 'group_failed'
          )
        | 'no_order_yet';
      count: number;
      amount: components['schemas']['Money'];
    };
    Problem: {
      type: string;
      title: string;
      status: number;
      detail: string;
      instance: string;
      code:
        | 'unauthenticated'
        | 'rate_limited'
        | 'forbidden'
        | 'body_too_large'
        | 'unsupported_media_type'
        | 'invalid_request'
        | 'overloaded'
        | 'sale_unavailable'
        | 'sale_not_found'
        | 'key_reused'
        | 'sale_closed'
        | 'sale_paused'
        | 'sale_not_open'
        | 'sku_not_found'
        | 'channel_not_found'
        | 'quantity_not_allowed'
        | 'item_paused'
        | 'sold_out'
        | 'limit_reached'
        | 'holds_exceeded'
        | 'rejoin_later'
        | 'channel_full'
        | 'outcome_unknown'
        | 'ends_missing'
        | 'order_not_found'
        | 'order_not_ready'
        | 'order_not_pending'
        | 'nothing_to_return'
        | 'pickup_not_found'
        | 'already_picked_up'
        | 'nothing_to_pick_up'
        | 'refund_not_found'
        | 'refund_done'
        | 'notice_not_found'
        | 'notice_not_kept'
        | 'notice_not_understood'
        | 'dead_letter_not_found'
        | 'dead_letter_not_replayable'
        | 'webhook_endpoint_not_found'
        | 'webhook_endpoints_full'
        | 'webhook_delivery_not_found'
        | 'bad_signature'
        | 'version_conflict'
        | 'not_changeable'
        | 'sale_exists'
        | 'not_found'
        | 'method_not_allowed'
        | 'internal';
      retryable: boolean;
    } & {
      [key: string]: unknown;
    };
  };
  responses: never;
  parameters: never;
  requestBodies: never;
  headers: {
    ETag: string;
    'Idempotent-Replayed': 'true';
    'Retry-After': number;
  };
  pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
  listSales: {
    parameters: {
      query?: {
        state?: 'open' | 'scheduled' | 'paused' | 'closed';
        channelId?: string;
        limit?: string;
        cursor?: string;
      };
      header?: {
        'If-None-Match'?: string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SalePage'];
        };
      };
      304: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'overloaded';
          };
        };
      };
    };
  };
  createSale: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['SaleInput'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      201: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_exists';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  getSale: {
    parameters: {
      query?: {
        channel?: string;
      };
      header?: {
        'If-None-Match'?: string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      304: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'overloaded';
          };
        };
      };
    };
  };
  changeSale: {
    parameters: {
      query?: never;
      header?: {
        'If-Match'?: string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['SalePatch'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'not_changeable';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listChannels: {
    parameters: {
      query?: never;
      header?: {
        'If-None-Match'?: string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SaleChannels'];
        };
      };
      304: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'overloaded';
          };
        };
      };
    };
  };
  pauseSale: {
    parameters: {
      query?: never;
      header?: {
        'If-Match'?: string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['ReasonRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  resumeSale: {
    parameters: {
      query?: never;
      header?: {
        'If-Match'?: string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['ReasonRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  closeSale: {
    parameters: {
      query?: never;
      header?: {
        'If-Match'?: string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['ReasonRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  pauseItem: {
    parameters: {
      query?: never;
      header?: {
        'If-Match'?: string;
      };
      path: {
        saleId: string;
        sku: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['ReasonRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found' | 'sku_not_found';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  resumeItem: {
    parameters: {
      query?: never;
      header?: {
        'If-Match'?: string;
      };
      path: {
        saleId: string;
        sku: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['ReasonRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found' | 'sku_not_found';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  restockItem: {
    parameters: {
      query?: never;
      header: {
        'Idempotency-Key': string;
        'If-Match'?: string;
      };
      path: {
        saleId: string;
        sku: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['RestockRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Sale'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found' | 'sku_not_found';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'key_reused';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  adjustItem: {
    parameters: {
      query?: never;
      header: {
        'Idempotency-Key': string;
        'If-Match'?: string;
      };
      path: {
        saleId: string;
        sku: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['AdjustRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['AdjustAnswer'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found' | 'sku_not_found';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'version_conflict';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'key_reused';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listChanges: {
    parameters: {
      query?: {
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SaleChangePage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  watchSale: {
    parameters: {
      query?: {
        counts?: 'true';
      };
      header?: {
        'Last-Event-ID'?: string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'text/event-stream': string;
        };
      };
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'overloaded';
          };
        };
      };
    };
  };
  auditSale: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Audit'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_unavailable' | 'overloaded';
          };
        };
      };
    };
  };
  reserve: {
    parameters: {
      query?: never;
      header: {
        'Idempotency-Key': string;
      };
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ReserveRequest'];
      };
    };
    responses: {
      201: {
        headers: {
          'Idempotent-Replayed': components['headers']['Idempotent-Replayed'];
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Reservation'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request' | 'quantity_not_allowed';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found' | 'sku_not_found' | 'channel_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?:
              | 'sale_paused'
              | 'sale_not_open'
              | 'item_paused'
              | 'sold_out'
              | 'limit_reached'
              | 'holds_exceeded'
              | 'rejoin_later'
              | 'channel_full';
          };
        };
      };
      410: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_closed';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'key_reused';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded' | 'sale_unavailable' | 'outcome_unknown';
          };
        };
      };
    };
  };
  getOrder: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        orderId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Order'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_ready' | 'sale_unavailable' | 'overloaded';
          };
        };
      };
    };
  };
  listOrders: {
    parameters: {
      query?: {
        saleId?: string;
        status?: 'pending' | 'paid' | 'cancelled' | 'expired' | 'refused';
        limit?: string;
        cursor?: string;
        userId?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['OrderPage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  cancelOrder: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        orderId: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['ReasonRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Order'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_pending';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_ready' | 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  payOrder: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        orderId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Order'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_pending';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_ready' | 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listSaleOrders: {
    parameters: {
      query?: {
        status?: 'pending' | 'paid' | 'cancelled' | 'expired' | 'refused';
        userId?: string;
        channelId?: string;
        sku?: string;
        pickupCode?: string;
        since?: string;
        until?: string;
        sort?: 'newest' | 'oldest';
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['OrderPage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  returnLines: {
    parameters: {
      query?: never;
      header: {
        'Idempotency-Key': string;
      };
      path: {
        orderId: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['ReturnRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Order'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'nothing_to_return';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'key_reused';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_ready' | 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  explainSale: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SaleExplanation'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  reportSale: {
    parameters: {
      query?: {
        format?: 'csv';
        table?: 'channels' | 'items' | 'partners' | 'refs' | 'minutes' | 'refunds';
      };
      header?: never;
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SaleReport'];
          'text/csv': string;
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  countOutcomes: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SaleOutcomes'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  listPickups: {
    parameters: {
      query?: {
        channelId?: string;
        format?: 'csv';
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path: {
        saleId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['PickupPage'];
          'text/csv': string;
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'sale_not_found' | 'channel_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  handOut: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['PickupRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Pickup'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'pickup_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'already_picked_up' | 'nothing_to_pick_up';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  moveOrder: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        orderId: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['MoveRequest'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Order'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_found' | 'channel_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_pending' | 'already_picked_up';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'order_not_ready' | 'sale_unavailable' | 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listNotices: {
    parameters: {
      query?: {
        state?: 'kept' | 'replayed' | 'done';
        since?: string;
        until?: string;
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['KeptNoticePage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  replayNotice: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        noticeId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['KeptNotice'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'notice_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'notice_not_understood' | 'notice_not_kept';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listRefunds: {
    parameters: {
      query?: {
        state?: 'due' | 'done';
        saleId?: string;
        since?: string;
        until?: string;
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RefundPage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  finishRefund: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        refundId: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['RefundDone'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Refund'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'refund_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'refund_done';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listDeadLetters: {
    parameters: {
      query?: {
        state?: 'waiting' | 'replayed' | 'done';
        since?: string;
        until?: string;
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ParkedMessagePage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  replayDeadLetter: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        letterId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ParkedMessage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'dead_letter_not_found';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'dead_letter_not_replayable';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  finishDeadLetter: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        letterId: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['DeadLetterDone'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ParkedMessage'];
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'dead_letter_not_found';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listWebhookEndpoints: {
    parameters: {
      query?: {
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': {
            data: {
              id: string;
              url: string;
              events: (
                | 'order.paid'
                | 'order.expired'
                | 'order.cancelled'
                | 'order.refused'
                | 'order.returned'
                | 'sale.opened'
                | 'sale.sold_out'
                | 'sale.closed'
                | 'group.reached'
                | 'group.failed'
              )[];
              state: 'enabled' | 'paused' | 'disabled';
              createdAt: string;
              secret?: string;
            }[];
            nextCursor?: string;
          };
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  createWebhookEndpoint: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': {
          url: string;
          events: (
            | 'order.paid'
            | 'order.expired'
            | 'order.cancelled'
            | 'order.refused'
            | 'order.returned'
            | 'sale.opened'
            | 'sale.sold_out'
            | 'sale.closed'
            | 'group.reached'
            | 'group.failed'
          )[];
        };
      };
    };
    responses: {
      201: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': {
            id: string;
            url: string;
            events: (
              | 'order.paid'
              | 'order.expired'
              | 'order.cancelled'
              | 'order.refused'
              | 'order.returned'
              | 'sale.opened'
              | 'sale.sold_out'
              | 'sale.closed'
              | 'group.reached'
              | 'group.failed'
            )[];
            state: 'enabled' | 'paused' | 'disabled';
            createdAt: string;
            secret?: string;
          };
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'webhook_endpoints_full';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  getWebhookEndpoint: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        endpointId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': {
            id: string;
            url: string;
            events: (
              | 'order.paid'
              | 'order.expired'
              | 'order.cancelled'
              | 'order.refused'
              | 'order.returned'
              | 'sale.opened'
              | 'sale.sold_out'
              | 'sale.closed'
              | 'group.reached'
              | 'group.failed'
            )[];
            state: 'enabled' | 'paused' | 'disabled';
            createdAt: string;
            secret?: string;
          };
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'webhook_endpoint_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  deleteWebhookEndpoint: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        endpointId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'webhook_endpoint_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  changeWebhookEndpoint: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        endpointId: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': {
          url?: string;
          events?: (
            | 'order.paid'
            | 'order.expired'
            | 'order.cancelled'
            | 'order.refused'
            | 'order.returned'
            | 'sale.opened'
            | 'sale.sold_out'
            | 'sale.closed'
            | 'group.reached'
            | 'group.failed'
          )[];
          state?: 'enabled' | 'paused';
        };
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': {
            id: string;
            url: string;
            events: (
              | 'order.paid'
              | 'order.expired'
              | 'order.cancelled'
              | 'order.refused'
              | 'order.returned'
              | 'sale.opened'
              | 'sale.sold_out'
              | 'sale.closed'
              | 'group.reached'
              | 'group.failed'
            )[];
            state: 'enabled' | 'paused' | 'disabled';
            createdAt: string;
            secret?: string;
          };
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'webhook_endpoint_not_found';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unsupported_media_type';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  rotateWebhookSecret: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        endpointId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': {
            id: string;
            url: string;
            events: (
              | 'order.paid'
              | 'order.expired'
              | 'order.cancelled'
              | 'order.refused'
              | 'order.returned'
              | 'sale.opened'
              | 'sale.sold_out'
              | 'sale.closed'
              | 'group.reached'
              | 'group.failed'
            )[];
            state: 'enabled' | 'paused' | 'disabled';
            createdAt: string;
            secret?: string;
          };
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'webhook_endpoint_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  listWebhookDeliveries: {
    parameters: {
      query?: {
        state?: 'pending' | 'delivered' | 'failed';
        limit?: string;
        cursor?: string;
      };
      header?: never;
      path: {
        endpointId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': {
            data: {
              id: string;
              type:
                | 'order.paid'
                | 'order.expired'
                | 'order.cancelled'
                | 'order.refused'
                | 'order.returned'
                | 'sale.opened'
                | 'sale.sold_out'
                | 'sale.closed'
                | 'group.reached'
                | 'group.failed';
              subject: string;
              state: 'pending' | 'delivered' | 'failed';
              attempts: number;
              createdAt: string;
              nextAttemptAt?: string;
              deliveredAt?: string;
              lastStatus?: number;
              lastError?: string;
            }[];
            nextCursor?: string;
          };
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'webhook_endpoint_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
  replayWebhookDelivery: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        endpointId: string;
        deliveryId: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': {
            id: string;
            type:
              | 'order.paid'
              | 'order.expired'
              | 'order.cancelled'
              | 'order.refused'
              | 'order.returned'
              | 'sale.opened'
              | 'sale.sold_out'
              | 'sale.closed'
              | 'group.reached'
              | 'group.failed';
            subject: string;
            state: 'pending' | 'delivered' | 'failed';
            attempts: number;
            createdAt: string;
            nextAttemptAt?: string;
            deliveredAt?: string;
            lastStatus?: number;
            lastError?: string;
          };
        };
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'unauthenticated';
          };
        };
      };
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'forbidden';
          };
        };
      };
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'webhook_endpoint_not_found' | 'webhook_delivery_not_found';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  notifyPayment: {
    parameters: {
      query?: never;
      header: {
        'webhook-id': string;
        'webhook-timestamp': string;
        'webhook-signature': string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['PaymentNotification'];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['PaymentAnswer'];
        };
      };
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'bad_signature';
          };
        };
      };
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'body_too_large';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'internal';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'outcome_unknown' | 'overloaded';
          };
        };
      };
    };
  };
  isAlive: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  isReady: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      503: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  getContract: {
    parameters: {
      query?: never;
      header?: {
        'If-None-Match'?: string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      200: {
        headers: {
          ETag: components['headers']['ETag'];
          [name: string]: unknown;
        };
        content?: never;
      };
      304: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'invalid_request';
          };
        };
      };
      429: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'rate_limited';
          };
        };
      };
      503: {
        headers: {
          'Retry-After': components['headers']['Retry-After'];
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'] & {
            code?: 'overloaded';
          };
        };
      };
    };
  };
}
