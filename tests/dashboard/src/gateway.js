// A gateway's API, asked as a program asks it.

/** One gateway. */
export class Gateway {
  /**
   * @param {string} url without a slash at its end
   * @param {string} [token] shown with each request
   */
  constructor(url, token) {
    this.url = url;
    this.headers = token ? { authorization: `Bearer ${token}` } : {};
  }

  /** The same for whoever shows this token. */
  as(token) {
    return new Gateway(this.url, token);
  }

  /** The document at `path`; an error for anything but 200. */
  async get(path) {
    const answer = await fetch(this.url + path, { headers: this.headers });
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Posts `body`; the answer whatever its status. */
  async post(path, body) {
    const headers = { ...this.headers, 'content-type': 'application/json' };
    const answer = await fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }
}
