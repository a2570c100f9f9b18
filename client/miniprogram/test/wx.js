"use strict";

// The parts of WeChat that the client uses. PayJS's mini-program is the sandbox's.

const { readFile } = require("node:fs/promises");

const PAYJS = "wx959c8c1fb2d877b5";

const { HEYI_URL, HEYI_SANDBOX_URL, HEYI_APP_KEY } = process.env;
if (!HEYI_URL) throw new Error("these tests need an api: run `cargo xtask test -- -p heyi-api --test it client`");

let logins = 0;

// What a person does on PayJS's page, which an order of any channel has.
async function onPayjs(payjsOrderId, what) {
  const url = `${HEYI_SANDBOX_URL}payjs/miniapp/${payjsOrderId}/${what}`;
  return json(url, { method: "POST", headers: { accept: "application/json" } });
}

async function json(url, request) {
  const response = await fetch(url, request);
  const body = await response.text();
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${body}`);
  return JSON.parse(body);
}

// A phone of one person. `onPay` is what the person does at PayJS: "pay", "cancel" or, by the system's own way, "leave".
function phone(name, { onPay = "pay" } = {}) {
  const storage = new Map();
  const seen = { logins: 0, requests: [], images: [], modals: [] };
  const wx = {
    onShow: () => {},

    login({ success }) {
      seen.logins += 1;
      logins += 1;
      success({ code: wx.loginCode || `code-${name}-${process.pid}x${logins}` });
    },

    request({ url, method, header, data, success, fail }) {
      seen.requests.push({ url, data });
      fetch(url, { method, headers: header, body: JSON.stringify(data) })
        .then(async (response) => ({ statusCode: response.status, data: await response.json().catch(() => "") }))
        .then(success, (error) => fail({ errMsg: `request:fail ${error.message}` }));
    },

    // Here a path is that of a file of this machine.
    uploadFile({ url, filePath, name, header, success, fail }) {
      seen.requests.push({ url, data: filePath });
      const body = new FormData();
      readFile(filePath)
        .then((content) => body.append(name, new Blob([content]), "picture"))
        .then(() => fetch(url, { method: "POST", headers: header, body }))
        .then(async (response) => ({ statusCode: response.status, data: await response.text() }))
        .then(success, (error) => fail({ errMsg: `uploadFile:fail ${error.message}` }));
    },

    navigateToMiniProgram({ appId, path, extraData, envVersion, success, fail }) {
      if (appId !== PAYJS || path !== "pages/pay" || envVersion !== "release") throw new Error("this is not PayJS");
      const headers = { "content-type": "application/json", accept: "application/json" };
      const opened = json(`${HEYI_SANDBOX_URL}payjs/miniapp`, { method: "POST", headers, body: JSON.stringify(extraData) });
      opened
        .then(async ({ payjs_order_id: id }) => {
          success({});
          const back = onPay === "leave" ? undefined : await onPayjs(id, onPay);
          wx.onShow({ scene: 1038, referrerInfo: { appId, extraData: back } });
        })
        .catch((error) => fail({ errMsg: `navigateToMiniProgram:fail ${error.message}` }));
    },

    previewImage: ({ urls }) => seen.images.push(...urls),
    chooseMedia: ({ success }) => (wx.answered = success({ tempFiles: [{ tempFilePath: wx.album }] })),
    showActionSheet: ({ itemList, success }) => itemList.forEach((_, tapIndex) => success({ tapIndex })),
    setClipboardData: ({ data }) => (wx.clipboard = data),
    scanCode: ({ success }) => success({ result: "https://qr.alipay.com/fkx22222EXAMPLE222222" }),
    showModal(modal) {
      seen.modals.push(modal);
      if (modal.success) wx.answered = modal.success({ confirm: true });
    },
    stopPullDownRefresh: () => {},

    // As WeChat does it, whatever is stored is a copy.
    setStorageSync: (key, value) => void storage.set(key, JSON.stringify(value)),
    getStorageSync: (key) => (storage.has(key) ? JSON.parse(storage.get(key)) : ""),
    removeStorageSync: (key) => void storage.delete(key),
  };
  return { wx, seen };
}

const PAYLOADS = {
  wechat: "wxp://f2f0EXAMPLE_EXAMPLE_EXAMPLE_EXAMPLE_EXAMPLE_EX",
  alipay: "https://qr.alipay.com/fkx00000EXAMPLE000000",
};

module.exports = { HEYI_URL, HEYI_APP_KEY, PAYLOADS, onPayjs, phone };
