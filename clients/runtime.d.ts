/** What a call may be given beside its own parameters. */
export interface Options {
  /** Your idempotency key of a write; a new one where there is none. */
  once?: string;
  /** The ETag of what was read: 412 if it was changed meanwhile. */
  ifMatch?: string;
}
/** The API refused. `code` is stable; `field` says where, `remedy` what to do. */
export class KvitError extends Error {
  status: number;
  code: string;
  field: string | null;
  remedy: string | null;
  problem: Record<string, unknown>;
}
export class Caller {
  constructor(url: string, key: string, options?: { signingSecret?: string; lang?: string });
  /** The ETag of the last answer. */
  etag: string;
  /** Every row of a list, page by page. */
  pages<Row>(list: (after?: string) => Promise<{ data: Row[]; next?: string | null }>): AsyncGenerator<Row>;
}
