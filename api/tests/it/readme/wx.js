"use strict";

// The parts of WeChat that the README's example uses. PayJS's mini-program is the sandbox's.

const { SANDBOX_URL, LOGIN_CODE } = process.env;
if (typeof fetch !== "function") throw new Error(`node ${process.version} has no fetch: install node 18 or newer`);

const storage = new Map();
let app;

async function post(url, data) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(data) });
  const body = await response.text();
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${body}`);
  return JSON.parse(body);
}

globalThis.App = (given) => (app = given);

globalThis.wx = {
  login: async () => ({ code: LOGIN_CODE }),

  request({ url, method = "GET", data, success, fail }) {
    fetch(url, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(data) })
      .then(async (response) => ({ statusCode: response.status, data: await response.json() }))
      .then(success, fail);
  },

  // The person pays at once and comes back.
  async navigateToMiniProgram({ appId, path, extraData }) {
    if (appId !== "wx959c8c1fb2d877b5" || path !== "pages/pay") throw new Error(`${appId} ${path} is not PayJS`);
    const { payjs_order_id } = await post(`${SANDBOX_URL}payjs/miniapp`, extraData);
    const back = await post(`${SANDBOX_URL}payjs/miniapp/${payjs_order_id}/pay`, {});
    setImmediate(() => app.onShow({ referrerInfo: { appId, extraData: back } }));
  },

  previewImage: ({ urls }) => console.log(urls[0]),

  setStorageSync: (key, value) => void storage.set(key, value),
  getStorageSync: (key) => storage.get(key) ?? "",
  removeStorageSync: (key) => void storage.delete(key),
};
