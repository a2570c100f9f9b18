"use strict";

// The client of Heyi for WeChat mini-programs; README.md says how it is used. It needs nothing but `wx`.

// PayJS's mini-program; name its appId in navigateToMiniProgramAppIdList of app.json.
const PAYJS_APP_ID = "wx959c8c1fb2d877b5";
const PAYJS_PATH = "pages/pay";
// The scene of coming back from another mini-program.
const SCENE_BACK = 1038;

// WeChat's errcode for "busy, try again".
const WECHAT_BUSY = -1;

const REQUEST_TIMEOUT_MS = 15000;
const WAIT_LIMIT_MS = 120000;
const WAIT_EVERY_MS = 2000;

// What people read where the api has no say.
const TEXTS = {
  zh: {
    network: "网络不通，请检查网络后再试",
    service: "服务暂时不可用，请稍后再试",
    busy: "微信繁忙，请稍后再试",
    login: "微信登录没有成功，请再试一次",
    navigate: "支付页面没有打开，请再试一次",
    otherChannel: "这笔订单不在小程序里支付",
    noOrder: "没有等待付款的订单",
    notPaid: "还没有收到付款",
  },
  en: {
    network: "There is no network. Check it, then try again.",
    service: "The service is not available. Try again later.",
    busy: "WeChat is busy. Try again later.",
    login: "The login failed. Try again.",
    navigate: "The payment page did not open. Try again.",
    otherChannel: "This order is not paid in a mini-program.",
    noOrder: "There is no order to wait for.",
    notPaid: "No payment has arrived yet.",
  },
};

// A failure. `message` is for people. `code` is the errcode of the api or of WeChat, 0 without an answer; `state` what became
// of an order, `reason` why a picture holds no receive code, `detail` what happened, for a log. `payloads` are codes that
// `decode` found all the same, `unconfirmed` is the platform of a code that is taken with `confirmed: true`.
class HeyiError extends Error {
  constructor(message, code, { state, reason, detail, payloads, unconfirmed } = {}) {
    super(message);
    this.name = "HeyiError";
    this.code = code;
    this.state = state;
    this.reason = reason;
    this.detail = detail;
    this.payloads = payloads;
    this.unconfirmed = unconfirmed;
  }
}

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const SINES = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 4294967296));

// MD5 (RFC 1321) of a text's UTF-8, in upper-case hex; mini-programs have none.
function md5(text) {
  const bytes = encodeURIComponent(text).replace(/%(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const words = new Array((((bytes.length + 8) >> 6) + 1) * 16).fill(0);
  for (let i = 0; i < bytes.length; i++) words[i >> 2] |= bytes.charCodeAt(i) << (8 * (i % 4));
  words[bytes.length >> 2] |= 0x80 << (8 * (bytes.length % 4));
  words[words.length - 2] = bytes.length * 8;
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let block = 0; block < words.length; block += 16) {
    let [a, b, c, d] = state;
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round];
      const word = words[block + ([i, 5 * i + 1, 3 * i + 5, 7 * i][round] % 16)];
      const sum = (a + mixed + word + SINES[i]) | 0;
      const shift = SHIFTS[4 * round + (i % 4)];
      [a, d, c, b] = [d, c, b, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0];
    }
    [a, b, c, d].forEach((value, i) => (state[i] = (state[i] + value) | 0));
  }
  const hex = (byte) => (byte & 255).toString(16).padStart(2, "0");
  return state.map((s) => hex(s) + hex(s >> 8) + hex(s >> 16) + hex(s >> 24)).join("").toUpperCase();
}

// The parameters that have a value: the others are neither signed nor sent.
function present(params) {
  const names = Object.keys(params).filter((name) => params[name] !== undefined && params[name] !== null);
  return names.reduce((kept, name) => Object.assign(kept, { [name]: params[name] }), {});
}

// JSON without `&`: a receive code may hold `&id=`, which would sign like a parameter, so the api refuses it.
function json(value) {
  return JSON.stringify(value).replace(/&/g, "\\u0026");
}

// The signature of parameters: MD5 over the sorted `name=value` of all that are not empty, and the key.
function sign(params, key) {
  const kept = present(params);
  const names = Object.keys(kept).filter((name) => name !== "sign" && String(kept[name]) !== "").sort();
  return md5(names.map((name) => `${name}=${kept[name]}&`).join("") + `key=${key}`);
}

class Heyi {
  // `baseUrl` is http.public_url of the api, `appKey` its sign.app_key. `language` is "zh" or "en"; else it is WeChat's. `wx`
  // stands in for WeChat's own, in tests.
  constructor({ baseUrl, appKey, storageKey = "heyi", timeout = REQUEST_TIMEOUT_MS, language, wx: given }) {
    if (!baseUrl || !appKey) throw new TypeError("Heyi needs baseUrl, http.public_url of the api, and appKey, its sign.app_key");
    this._base = baseUrl.replace(/\/+$/, "");
    this._appKey = appKey;
    this._storageKey = storageKey;
    this._timeout = timeout;
    this._wx = given || wx;
    this._language = language || languageOf(this._wx);
    this._texts = TEXTS[this._language];
    this._loggingIn = null;
    // By how many seconds the server's clock is ahead of ours, and the time of the last signature.
    this._clock = null;
  }

  // The openid of who is logged in; null for nobody.
  get openid() {
    const session = this._recall("session");
    return session && session.openid;
  }

  // The order that is being paid, also after WeChat ended the mini-program meanwhile; null for none.
  get pending() {
    return this._recall("order");
  }

  // Logs in and resolves with the first page of the person's codes, as `list` does. The other calls do so by themselves when they must.
  login() {
    if (!this._loggingIn) {
      const done = () => (this._loggingIn = null);
      this._loggingIn = this._login();
      this._loggingIn.then(done, done);
    }
    return this._loggingIn;
  }

  // Makes an order for a code and resolves with it; `channel` is "miniapp" (the default), "cashier" or "native".
  // `confirmed` takes codes of a platform that are perhaps no receive codes.
  async order({ name, payloads, totalFee, channel = "miniapp", confirmed }) {
    const answer = await this._callSigned("/newOrder", (openId) => ({
      data: json({ openId, name, payloads, confirmed }),
      totalFee,
      // What the api takes for the default needs not be said.
      channel: channel === "miniapp" ? undefined : channel,
    }));
    const order = present({
      channel,
      outTradeNo: answer.out_trade_no || answer.params.out_trade_no,
      payjsOrderId: answer.payjs_order_id,
      params: answer.params,
      cashierUrl: answer.cashierUrl,
      codeUrl: answer.code_url,
    });
    this._remember("order", present({ channel, outTradeNo: order.outTradeNo, payjsOrderId: order.payjsOrderId }));
    return order;
  }

  // Opens PayJS's mini-program for an order of the channel "miniapp". Call it from a tap: WeChat wants one.
  async pay(order) {
    if (!order.params) throw new HeyiError(this._texts.otherChannel, 0, { detail: `channel ${order.channel}` });
    const target = { appId: PAYJS_APP_ID, path: PAYJS_PATH, extraData: order.params, envVersion: "release" };
    await this._promised("navigateToMiniProgram", target);
  }

  // To be given the options of every App.onShow. Answers what PayJS's mini-program handed over, or null when the person
  // does not come from there. Only `wait` tells whether the order is paid.
  cameBack(options) {
    const from = (options && options.referrerInfo) || {};
    if (!options || options.scene !== SCENE_BACK || from.appId !== PAYJS_APP_ID) return null;
    const back = from.extraData || {};
    const order = this.pending;
    const isOurs = order && (!back.outTradeNo || back.outTradeNo === order.outTradeNo);
    if (isOurs && back.payjsOrderId) {
      this._remember("order", Object.assign({}, order, { payjsOrderId: back.payjsOrderId }));
    }
    return { success: back.success === true, outTradeNo: back.outTradeNo, payjsOrderId: back.payjsOrderId };
  }

  // Waits until the pending order has become a code, and resolves with the code's id. Fails with the state "failed" or
  // "unknown", which are final, or "pending" when the time is over: then it may be called again.
  async wait({ timeout = WAIT_LIMIT_MS, every = WAIT_EVERY_MS } = {}) {
    let waited = 0;
    for (;;) {
      const began = Date.now();
      const order = this.pending;
      if (!order) throw new HeyiError(this._texts.noOrder, 0, { state: "unknown" });
      const answer = await this._checkOrder(order);
      if (answer.errcode === 200) {
        this._forget(order);
        return answer.order_id;
      }
      if (answer.state === "failed" || answer.state === "unknown") {
        this._forget(order);
        throw new HeyiError(answer.errmsg, answer.errcode, { state: answer.state });
      }
      if (answer.errcode === 400 && order.payjsOrderId) {
        // Not a number that PayJS can have given to this order. The notify still brings the payment.
        this._remember("order", Object.assign({}, order, { payjsOrderId: undefined }));
        continue;
      }
      if (answer.errcode === 400) throw new HeyiError(answer.errmsg, 400);
      // The phone's clock may be set meanwhile: no request takes less than no time, or more than its limit.
      waited += Math.min(Math.max(Date.now() - began, 0), this._timeout) + every;
      if (waited > timeout) {
        throw new HeyiError(answer.errmsg || this._texts.notPaid, answer.errcode, { state: "pending" });
      }
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  }

  // Gives the pending order up. It expires by itself; if it is paid after all, its code is in the list.
  forget() {
    this._remember("order", null);
  }

  // Resolves with a page of the person's codes, newest first: `codes`, and `next` where there are more, to be handed over
  // as `before`.
  async list({ before } = {}) {
    return codesOf(await this._callSigned("/reflash", (openId) => ({ openId, before })));
  }

  // Resolves with all codes of the person, newest first.
  async listAll() {
    let { codes, next } = await this.list();
    while (next) {
      const page = await this.list({ before: next });
      codes = codes.concat(page.codes);
      next = page.next;
    }
    return codes;
  }

  // Changes what the page of a code shows; the printed code stays.
  async update(id, { name, payloads, confirmed }) {
    await this._callSigned("/update", () => ({ id, data: json({ name, payloads, confirmed }) }));
  }

  // Resolves with a page of what a code held before it was changed, newest first: `changes`, and `next` where there are more.
  async changes(id, { before } = {}) {
    const { changes, next } = await this._callSigned("/changes", () => ({ id, before }));
    return present({ changes, next });
  }

  // Resolves with how often a code was scanned, by day and platform.
  async stats(id, { days } = {}) {
    const { total, days: each } = await this._callSigned("/stats", () => ({ id, days }));
    return { total, days: each };
  }

  // Deletes a code, also repeatedly.
  async remove(id) {
    await this._callSigned("/del", () => ({ id }));
  }

  // Reads the receive code in a picture, by a path as wx.chooseMedia gives one, and resolves with platform and payload.
  async decode(filePath) {
    const header = { accept: "application/json", "accept-language": this._language };
    const upload = { url: `${this._base}/decode`, filePath, name: "picture", header, timeout: this._timeout };
    const { data, statusCode } = await this._promised("uploadFile", upload);
    let answer = null;
    try {
      answer = JSON.parse(data);
    } catch (_) {
      // Of a proxy, as told below.
    }
    const { platform, payload } = checked(this._answered("/decode", answer, statusCode));
    return { platform, payload };
  }

  // The address that the composite code holds.
  pageUrl(id) {
    return `${this._base}/qr?id=${encodeURIComponent(id)}`;
  }

  // The composite code as a picture: "png", with a side of 64 to 2048 pixels, or "svg".
  pictureUrl(id, { format = "png", size } = {}) {
    const query = format === "png" && size ? `?size=${size}` : "";
    return `${this._base}/qr/${encodeURIComponent(id)}.${format}${query}`;
  }

  // A poster to print: style "classic", "dark", "stand", "sticker" or "pair", lang "zh" or "en"; a "png" of 400 to 2048
  // pixels in width, or "svg". Without lang it is in the language of who asks.
  posterUrl(id, { style = "classic", format = "png", size, lang } = {}) {
    const query = [`style=${style}`, lang && `lang=${lang}`, format === "png" && size && `size=${size}`];
    return `${this._base}/qr/${encodeURIComponent(id)}/poster.${format}?${query.filter(Boolean).join("&")}`;
  }

  async _login() {
    const { code } = await this._promised("login", {});
    const answer = await this._callWith(this._appKey, "/login", { code });
    if (isWeChats(answer.errcode)) {
      const message = answer.errcode === WECHAT_BUSY ? this._texts.busy : this._texts.login;
      throw new HeyiError(message, answer.errcode, { detail: answer.errmsg });
    }
    checked(answer);
    this._remember("session", { openid: answer.openid, signKey: answer.signKey });
    return codesOf(answer);
  }

  // Calls a route with the person's key. A session of earlier may have ended, and the answer does not always say so: so
  // when it is refused, a new login may bring another key to try with.
  async _callSigned(route, makeParams) {
    const earlier = this._recall("session");
    if (!earlier) await this.login();
    const session = earlier || this._recall("session");
    const answer = await this._callWith(session.signKey, route, makeParams(session.openid));
    if (answer.errcode !== 400 || !earlier) return checked(answer);
    try {
      await this.login();
    } catch (_) {
      // What was refused says more than that nobody can log in just now.
      return checked(answer);
    }
    const now = this._recall("session");
    if (now.signKey === earlier.signKey) return checked(answer);
    return checked(await this._callWith(now.signKey, route, makeParams(now.openid)));
  }

  // Calls a route with a key. When our clock is too far off, the answer has the server's time, and there is one more try.
  async _callWith(key, route, params) {
    const answer = await this._call(route, this._signed(key, route, params));
    if (answer.errcode !== 400 || typeof answer.now !== "number") return answer;
    this._setClock(answer.now);
    return this._call(route, this._signed(key, route, params));
  }

  // The parameters with `ts` and a signature over them and the route, which is not sent.
  _signed(key, route, params) {
    const data = Object.assign(present(params), { ts: this._nextTs() });
    data.sign = sign(Object.assign({ route }, data), key);
    return data;
  }

  // The server's time in seconds. Each is later than the last one, so that no two signatures are alike and of two changes
  // the later one counts.
  _nextTs() {
    const { ahead, last } = this._clock || this._recall("clock") || { ahead: 0, last: 0 };
    const ts = Math.max(seconds() + ahead, last + 1);
    this._keepClock({ ahead, last: ts });
    return ts;
  }

  _setClock(now) {
    this._keepClock({ ahead: now - seconds(), last: Math.min(this._clock.last, now) });
  }

  _keepClock(clock) {
    this._clock = clock;
    this._remember("clock", clock);
  }

  // An answer in any case: without a network there is another try.
  async _checkOrder({ outTradeNo, payjsOrderId }) {
    const params = { out_trade_no: outTradeNo, payjs_order_id: payjsOrderId };
    return this._call("/checkOrder", params).catch((error) => ({ errcode: error.code, errmsg: error.message }));
  }

  // Resolves with the answer, also when that is a failure.
  async _call(route, params) {
    const data = present(params);
    const { _timeout: timeout } = this;
    const header = { "content-type": "application/json", accept: "application/json", "accept-language": this._language };
    const request = { url: this._base + route, method: "POST", header, data, timeout };
    const answer = await this._promised("request", request);
    return this._answered(route, answer.data, answer.statusCode);
  }

  _promised(name, options) {
    return new Promise((resolve, reject) => {
      const message = this._texts[{ login: "login", navigateToMiniProgram: "navigate" }[name] || "network"];
      const fail = (why) => {
        const detail = `wx.${name}: ${(why && (why.errMsg || why.message)) || why}`;
        reject(new HeyiError(message, 0, { detail }));
      };
      this._wx[name](Object.assign({}, options, { success: resolve, fail }));
    });
  }

  _answered(route, answer, status) {
    if (answer && typeof answer.errcode === "number") return answer;
    const detail = `${route}: HTTP ${status} without an answer of the api`;
    throw new HeyiError(this._texts.service, status, { detail });
  }

  _recall(what) {
    return this._wx.getStorageSync(`${this._storageKey}.${what}`) || null;
  }

  _remember(what, value) {
    const key = `${this._storageKey}.${what}`;
    if (value === null) this._wx.removeStorageSync(key);
    else this._wx.setStorageSync(key, value);
  }

  // Another order may have been made meanwhile.
  _forget({ outTradeNo }) {
    const order = this.pending;
    if (order && order.outTradeNo === outTradeNo) this.forget();
  }
}

function codesOf({ userInfo: codes, next }) {
  return present({ codes, next });
}

function seconds() {
  return Math.floor(Date.now() / 1000);
}

function languageOf(wx) {
  const app = wx.getAppBaseInfo ? wx.getAppBaseInfo() : wx.getSystemInfoSync ? wx.getSystemInfoSync() : {};
  return /^en/i.test(app.language || "") ? "en" : "zh";
}

// The api's own errcodes are those of HTTP.
function isWeChats(errcode) {
  return errcode < 0 || errcode >= 1000;
}

function checked(answer) {
  if (answer.errcode === 200) return answer;
  const { errmsg, errcode, state, reason, payloads, unconfirmed } = answer;
  const message = unconfirmed ? withoutParameters(errmsg) : errmsg;
  throw new HeyiError(message, errcode, { state, reason, payloads, unconfirmed });
}

// What the api says of a code that must be confirmed, without the words for those who call it.
function withoutParameters(errmsg) {
  const said = errmsg.replace(/[；;][^；;]*data\.confirmed = true$/, "");
  return said.replace(/^payloads\.\w+ is /, "This is ").replace(/^payloads\.\w+ 是\s*/, "这是 ");
}

module.exports = { Heyi, HeyiError, md5, sign };
