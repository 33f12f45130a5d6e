/** Requests to the server. What it refuses comes as a Refusal with its sentence. */

export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface Reply<T> {
  body: T;
  etag: string;
}

async function ask<T>(url: string, options: RequestInit = {}): Promise<Reply<T>> {
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Refusal(0, "The server does not answer. Is `autodrive review` still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, body.error ?? `The server refused: ${response.status}.`);
  return { body, etag: response.headers.get("ETag") ?? body.etag ?? "" };
}

export const get = <T>(url: string) => ask<T>(url, { cache: "no-store" });

export function post<T>(url: string, body: unknown, etag?: string): Promise<Reply<T>> {
  const headers: Record<string, string> = { "Content-Type": "application/json", "X-Autodrive-Review": "1" };
  if (etag) headers["If-Match"] = etag;
  return ask<T>(url, { method: "POST", headers, body: JSON.stringify(body) });
}
