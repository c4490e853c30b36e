const TRIES = 4;
const AGAIN = new Set([429, 502, 503, 504]);

/** The API refused. `code` is stable; `field` says where, `remedy` what to do. */
export class KvitError extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.code}: ${problem.detail}`);
    this.status = status;
    this.problem = problem;
    this.code = problem.code ?? "";
    this.field = problem.field ?? null;
    this.remedy = problem.remedy ?? null;
  }
}

const part = (value) => encodeURIComponent(String(value));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const encoder = new TextEncoder();

async function hex(promise) {
  return [...new Uint8Array(await promise)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Calls the API with a key; signs where a signing secret is given. A write carries an idempotency
 * key, yours (`once`) or a new one, so it is safely sent again when no answer came. */
export class Caller {
  constructor(url, key, { signingSecret = "", lang = "en" } = {}) {
    this.url = url.replace(/\/+$/, "");
    this.key = key;
    this.signingSecret = signingSecret;
    this.lang = lang;
    this.etag = "";
  }

  async call(method, path, names, { body, once, ifMatch, binary, ...query } = {}) {
    const asked = new URLSearchParams();
    for (const name of names) if (query[name] !== undefined && query[name] !== null) asked.set(name, String(query[name]));
    const where = asked.size ? `${path}?${asked}` : path;
    const data = body === undefined ? undefined : JSON.stringify(body);
    const headers = { Authorization: `Bearer ${this.key}`, "Accept-Language": this.lang };
    if (data !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET") headers["Idempotency-Key"] = once ?? crypto.randomUUID();
    if (ifMatch) headers["If-Match"] = ifMatch;
    const answer = await this.#sent(method, where, data, headers);
    if (!answer.ok) throw new KvitError(answer.status, await problemOf(answer));
    this.etag = answer.headers.get("ETag") ?? "";
    if (binary) return new Uint8Array(await answer.arrayBuffer());
    const text = await answer.text();
    return text ? JSON.parse(text) : undefined;
  }

  /** Every row of a list: `for await (const one of kvit.pages((after) => kvit.listInvoices({ after })))`. */
  async *pages(list) {
    let after;
    do {
      const page = await list(after);
      yield* page.data;
      after = page.next;
    } while (after);
  }

  async #sent(method, where, data, headers) {
    for (let tried = 1; ; tried++) {
      try {
        const signature = await this.#signature(method, where, data ?? "");
        const answer = await fetch(this.url + where, { method, headers: { ...headers, ...signature }, body: data });
        if (!AGAIN.has(answer.status) || tried === TRIES) return answer;
        await pause(1000 * Number(answer.headers.get("Retry-After") ?? 2 ** (tried - 1)));
      } catch (error) {
        if (tried === TRIES) throw error;
        await pause(1000 * 2 ** (tried - 1));
      }
    }
  }

  async #signature(method, where, data) {
    if (!this.signingSecret) return {};
    const stamp = String(Math.floor(Date.now() / 1000));
    const nonce = crypto.randomUUID();
    const digest = await hex(crypto.subtle.digest("SHA-256", encoder.encode(data)));
    const text = ["v1", method, where, stamp, nonce, digest].join("\n");
    const kind = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", encoder.encode(this.signingSecret), kind, false, ["sign"]);
    const signed = await hex(crypto.subtle.sign("HMAC", key, encoder.encode(text)));
    return { "Kvit-Timestamp": stamp, "Kvit-Nonce": nonce, "Kvit-Signature": `v1=${signed}` };
  }
}

async function problemOf(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 500) };
  }
}
