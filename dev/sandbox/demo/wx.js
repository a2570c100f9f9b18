"use strict";

// The parts of WeChat that a mini-program's client uses, in a page. PayJS's mini-program is a page of the sandbox.

const wx = {
  // Who logs in next.
  name: "",

  login({ success }) {
    success({ code: `code-${wx.name.replaceAll("-", "_")}-${Date.now()}` });
  },

  request({ url, method, header, data, success, fail }) {
    fetch(url, { method, headers: header, body: JSON.stringify(data) })
      .then(async (response) => ({ statusCode: response.status, data: await response.json().catch(() => "") }))
      .then(success, (error) => fail({ errMsg: error.message }));
  },

  // A path is the address of a file that was chosen.
  uploadFile({ url, filePath, name, header, success, fail }) {
    const body = new FormData();
    fetch(filePath)
      .then(async (file) => body.append(name, await file.blob(), "picture"))
      .then(() => fetch(url, { method: "POST", headers: header, body }))
      .then(async (response) => ({ statusCode: response.status, data: await response.text() }))
      .then(success, (error) => fail({ errMsg: error.message }));
  },

  navigateToMiniProgram({ appId, extraData, success }) {
    wx.setStorageSync("wx.away", appId);
    location.assign(`/payjs/miniapp?${new URLSearchParams(extraData)}`);
    success({});
  },

  // Where the person comes from; PayJS's page leads back with what its mini-program hands over.
  getEnterOptionsSync() {
    const extraData = Object.fromEntries(new URLSearchParams(location.search));
    const appId = wx.getStorageSync("wx.away");
    wx.removeStorageSync("wx.away");
    if (!extraData.outTradeNo) return { scene: 1001 };
    history.replaceState(null, "", "/");
    extraData.success = extraData.success === "true";
    return { scene: 1038, referrerInfo: { appId, extraData } };
  },

  getStorageSync: (key) => JSON.parse(sessionStorage.getItem(key) ?? '""'),
  setStorageSync: (key, value) => sessionStorage.setItem(key, JSON.stringify(value)),
  removeStorageSync: (key) => sessionStorage.removeItem(key),
};
