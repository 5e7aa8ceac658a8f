const BETWEEN_TWO_CALLS =
  'stock would have to tell of the hold, and be gone when it is asked for the lane a millisecond later';

/** Answers of the contract that nobody can have on purpose from a whole system, each with its reason. */
export const UNPROVOKED: Record<string, string> = {
  'getOrder sale_unavailable': BETWEEN_TWO_CALLS,
  'cancelOrder sale_unavailable': BETWEEN_TWO_CALLS,
  'payOrder sale_unavailable': BETWEEN_TWO_CALLS,
  'getContract internal': 'the answer is a text that the process made when it started',
  'notifyPayment invalid_request':
    'only for bytes that are no HTTP message: the content of a notice is never refused',
};
