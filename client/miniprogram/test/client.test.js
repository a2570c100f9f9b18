"use strict";

const assert = require("node:assert/strict");
const { mkdtemp, rm, writeFile } = require("node:fs/promises");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { test } = require("node:test");

const { Heyi } = require("../heyi.js");
const { HEYI_URL, HEYI_APP_KEY, PAYLOADS, onPayjs, phone } = require("./wx.js");

const WISH = { name: "街角小店 & Söhne", payloads: PAYLOADS, totalFee: 990 };
const SOON = { every: 50, timeout: 60000 };

function client(wx, options) {
  return new Heyi({ baseUrl: `${HEYI_URL}/`, appKey: HEYI_APP_KEY, wx, ...options });
}

// The next time that the person comes back.
function comesBack(heyi, wx) {
  return new Promise((resolve) => (wx.onShow = (options) => resolve(heyi.cameBack(options))));
}

test("from a login to a deleted code", async () => {
  const { wx, seen } = phone("journey");
  const heyi = client(wx);
  assert.deepEqual(await heyi.login(), { codes: [] });
  assert.equal(typeof heyi.openid, "string");

  const back = comesBack(heyi, wx);
  const order = await heyi.order(WISH);
  assert.deepEqual(Object.keys(order), ["channel", "outTradeNo", "params"]);
  await heyi.pay(order);
  const { success, outTradeNo, payjsOrderId } = await back;
  assert.deepEqual([success, outTradeNo], [true, order.outTradeNo]);
  assert.deepEqual(heyi.pending, { channel: "miniapp", outTradeNo, payjsOrderId });
  const id = await heyi.wait(SOON);
  assert.equal(heyi.pending, null);

  const { codes: [code] } = await heyi.list();
  assert.deepEqual([code.id, code.name, code.payloads, code.url], [id, WISH.name, PAYLOADS, heyi.pageUrl(id)]);
  assert.equal(code.updatedAt, undefined);
  const scan = () => fetch(heyi.pageUrl(id), { redirect: "manual", headers: { "user-agent": "AlipayClient/10.5" } });
  assert.equal((await scan()).headers.get("location"), PAYLOADS.alipay);
  const picture = await fetch(heyi.pictureUrl(id, { size: 256 }));
  assert.equal(picture.headers.get("content-type"), "image/png");
  assert.equal((await fetch(heyi.pictureUrl(id, { format: "svg" }))).headers.get("content-type"), "image/svg+xml");
  const posters = [{}, { style: "sticker", size: 400, lang: "en" }, { style: "stand", format: "svg" }];
  for (const [index, kind] of ["image/png", "image/png", "image/svg+xml"].entries()) {
    const poster = await fetch(heyi.posterUrl(id, posters[index]));
    assert.deepEqual([poster.status, poster.headers.get("content-type")], [200, kind]);
  }

  const alipay = "https://qr.alipay.com/fkx11111EXAMPLE111111";
  await heyi.update(id, { name: "新店", payloads: { alipay } });
  const { codes: [changed] } = await heyi.list();
  assert.deepEqual([changed.name, changed.payloads], ["新店", { alipay }]);
  const changes = [{ changedAt: changed.updatedAt, name: WISH.name, payloads: PAYLOADS }];
  assert.deepEqual(await heyi.changes(id), { changes });
  assert.equal((await scan()).headers.get("location"), alipay);

  let stats;
  do stats = await heyi.stats(id, { days: 7 });
  while (stats.total < 2);
  assert.deepEqual([stats.total, stats.days.length, stats.days[0].platforms], [2, 1, { alipay: 2 }]);

  await heyi.remove(id);
  await heyi.remove(id);
  assert.deepEqual(await heyi.list(), { codes: [] });
  assert.equal((await scan()).status, 410);
  assert.equal(seen.logins, 1);
});

test("an order is paid on the cashier page, and one by scanning", async () => {
  const { wx } = phone("channels");
  const heyi = client(wx);
  const cashier = await heyi.order({ ...WISH, channel: "cashier" });
  assert.deepEqual(Object.keys(cashier), ["channel", "outTradeNo", "cashierUrl"]);
  const page = await (await fetch(cashier.cashierUrl)).text();
  await onPayjs(page.match(/payjs\/miniapp\/(\d+)\/pay/)[1], "pay");
  const first = await heyi.wait(SOON);

  const native = await heyi.order({ ...WISH, channel: "native" });
  assert.deepEqual(Object.keys(native), ["channel", "outTradeNo", "payjsOrderId", "codeUrl"]);
  assert.match(native.codeUrl, /^weixin:/);
  await assert.rejects(heyi.pay(native), { code: 0 });
  await onPayjs(native.payjsOrderId, "pay");
  const second = await heyi.wait(SOON);
  assert.deepEqual((await heyi.listAll()).map(({ id }) => id), [second, first]);
});

test("waiting without a payment times out, and the payment may come later", async () => {
  const { wx } = phone("cancel", { onPay: "cancel" });
  const heyi = client(wx);
  const back = comesBack(heyi, wx);
  await heyi.pay(await heyi.order(WISH));
  const { success, payjsOrderId } = await back;
  assert.equal(success, false);
  await assert.rejects(heyi.wait({ every: 20, timeout: 100 }), { name: "HeyiError", state: "pending" });
  await onPayjs(payjsOrderId, "pay");
  const id = await heyi.wait(SOON);
  assert.equal((await heyi.list()).codes[0].id, id);
});

test("an order outlives the mini-program, and so does the login", async () => {
  const { wx, seen } = phone("restart");
  const before = client(wx);
  const back = comesBack(before, wx);
  await before.pay(await before.order(WISH));
  await back;
  const after = client(wx);
  const id = await after.wait(SOON);
  assert.equal((await after.list()).codes[0].id, id);
  assert.equal(seen.logins, 1);
});

test("who leaves PayJS by the system's own way is not told of, and asks", async () => {
  const { wx } = phone("leave", { onPay: "leave" });
  const heyi = client(wx);
  const back = comesBack(heyi, wx);
  await heyi.pay(await heyi.order(WISH));
  assert.deepEqual(await back, { success: false, outTradeNo: undefined, payjsOrderId: undefined });
  assert.equal(heyi.pending.payjsOrderId, undefined);
  heyi.forget();
  await assert.rejects(heyi.wait(SOON), { state: "unknown" });
});

test("a payment's number that cannot be of the order does not end the wait", async () => {
  const { wx } = phone("number");
  const heyi = client(wx);
  const back = comesBack(heyi, wx);
  const order = await heyi.order(WISH);
  await heyi.pay(order);
  await back;
  wx.setStorageSync("heyi.order", { ...heyi.pending, payjsOrderId: "1" });
  assert.equal(typeof (await heyi.wait(SOON)), "string");
});

test("who comes from elsewhere comes not from PayJS", () => {
  const heyi = client(phone("elsewhere").wx);
  const extraData = { success: true, outTradeNo: "1", payjsOrderId: "2" };
  for (const options of [
    undefined,
    {},
    { scene: 1038 },
    { scene: 1038, referrerInfo: { appId: "wx0000000000000000", extraData } },
    { scene: 1001, referrerInfo: { appId: "wx959c8c1fb2d877b5", extraData } },
  ]) {
    assert.equal(heyi.cameBack(options), null);
  }
});

test("a session that has ended is begun anew, once", async () => {
  const { wx, seen } = phone("session");
  const heyi = client(wx);
  await heyi.login();
  const session = wx.getStorageSync("heyi.session");
  wx.setStorageSync("heyi.session", { ...session, signKey: "0".repeat(32) });
  assert.deepEqual(await heyi.list(), { codes: [] });
  assert.equal(seen.logins, 2);
  assert.deepEqual(wx.getStorageSync("heyi.session"), session);
  // What is wrong for another reason stays wrong.
  await assert.rejects(heyi.remove("000000000000000000000000"), { code: 400, message: /您名下没有这个码/ });
  assert.equal(seen.requests.filter(({ url }) => url.endsWith("/del")).length, 1);
});

// Runs `task` on a phone whose clock is so far off.
async function off(seconds, task) {
  const real = Date.now;
  Date.now = () => real() + seconds * 1000;
  try {
    return await task();
  } finally {
    Date.now = real;
  }
}

test("a clock that is wrong is corrected once", async () => {
  for (const seconds of [3600, -3600]) {
    const { wx, seen } = phone("clock");
    const routes = () => seen.requests.splice(0).map(({ url }) => url.slice(HEYI_URL.length));
    await off(seconds, async () => {
      const heyi = client(wx);
      await heyi.login();
      assert.deepEqual(routes(), ["/login", "/login"]);
      await heyi.list();
      await client(wx).list();
      assert.deepEqual(routes(), ["/reflash", "/reflash"], "it is remembered");
    });
    // Then the phone's clock is set.
    await client(wx).list();
    routes();
    await client(wx).list();
    assert.deepEqual(routes(), ["/reflash"]);
    // Whatever is kept, it is corrected.
    wx.setStorageSync("heyi.clock", { ahead: 9e9, last: 9e9 });
    await client(wx).list();
    assert.deepEqual(routes(), ["/reflash", "/reflash"]);
  }
});

test("no two signatures are alike, and times only grow", async () => {
  const { wx, seen } = phone("signatures");
  const heyi = client(wx);
  const now = Date.now();
  const real = Date.now;
  Date.now = () => now;
  try {
    await heyi.login();
    for (let i = 0; i < 4; i++) await heyi.list();
    await client(wx).list();
  } finally {
    Date.now = real;
  }
  const times = seen.requests.map(({ data }) => data.ts);
  assert.deepEqual(times, times.map((_, i) => times[0] + i));
  assert.equal(new Set(seen.requests.map(({ data }) => data.sign)).size, times.length);
  assert.ok(seen.requests.every(({ data }) => data.route === undefined));
});

test("waiting ends when the time is over, also when the clock is set back or forth", async () => {
  for (const seconds of [-3600, 3600]) {
    const { wx } = phone(`elapsed${seconds}`, { onPay: "cancel" });
    const heyi = client(wx, { timeout: 250 });
    const back = comesBack(heyi, wx);
    await heyi.pay(await heyi.order(WISH));
    await back;
    const began = process.hrtime.bigint();
    const waiting = heyi.wait({ every: 50, timeout: 500 });
    await off(seconds, () => assert.rejects(waiting, { state: "pending" }));
    const took = Number(process.hrtime.bigint() - began) / 1e6;
    assert.ok(took >= 150 && took < 30000, `${took} ms`);
  }
});

test("a receive code may look like parameters", async () => {
  const heyi = client(phone("ambiguous").wx);
  const qq = "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&id=000000000000000000000000&data=1&ts=1";
  await heyi.order({ ...WISH, payloads: { qq } });
});

test("a list has pages", async () => {
  const { wx, seen } = phone("pages");
  const heyi = client(wx);
  await heyi.login();
  // As the api's own tests find more codes than a page has, its answers are played here.
  const { request } = wx;
  const pages = [{ userInfo: [1, 2], next: "a" }, { userInfo: [3], next: "b" }, { userInfo: [4] }];
  wx.request = ({ data, success }) => {
    seen.requests.push({ url: "", data });
    success({ statusCode: 200, data: { errcode: 200, ...pages.shift() } });
  };
  assert.deepEqual(await heyi.listAll(), [1, 2, 3, 4]);
  assert.deepEqual(seen.requests.slice(-3).map(({ data }) => data.before), [undefined, "a", "b"]);
  wx.request = request;
  await assert.rejects(heyi.list({ before: "a" }), { code: 400, message: /before/ });
});

test("calls at the same time log in once", async () => {
  const { wx, seen } = phone("together");
  const heyi = client(wx);
  await Promise.all([heyi.list(), heyi.list(), heyi.login()]);
  assert.equal(seen.logins, 1);
});

test("refusals say what to do", async () => {
  const { wx } = phone("refusals");
  const heyi = client(wx);
  await assert.rejects(heyi.order({ ...WISH, name: "" }), { name: "HeyiError", code: 400, message: /data\.name/ });
  await assert.rejects(heyi.order({ ...WISH, payloads: { wechat: "134567890123456789" } }), { message: /付款码/ });
  await assert.rejects(heyi.order({ ...WISH, channel: "alipay" }), { message: /miniapp、cashier 或 native/ });
  assert.equal(heyi.pending, null);
});

test("a receive code is read out of a picture", async (context) => {
  const { wx } = phone("decode");
  const heyi = client(wx);
  const back = comesBack(heyi, wx);
  await heyi.pay(await heyi.order(WISH));
  await back;
  const id = await heyi.wait(SOON);
  const directory = await mkdtemp(join(tmpdir(), "heyi-"));
  context.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "code.png");
  const save = async (url) => writeFile(path, Buffer.from(await (await fetch(url)).arrayBuffer()));
  for (const platform of ["wechat", "alipay"]) {
    await save(`${heyi.pictureUrl(id, { size: 400 })}&as=${platform}`);
    assert.deepEqual(await heyi.decode(path), { platform, payload: PAYLOADS[platform] });
  }
  await save(heyi.pictureUrl(id));
  await assert.rejects(heyi.decode(path), { name: "HeyiError", code: 422, reason: "unknown_code", message: /微信、支付宝/ });
  await save(heyi.posterUrl(id, { style: "pair", size: 1440 }));
  const { wechat, alipay } = PAYLOADS;
  await assert.rejects(heyi.decode(path), { reason: "several_codes", payloads: { wechat, alipay } });
  await writeFile(path, Buffer.alloc(6 << 20));
  await assert.rejects(heyi.decode(path), { code: 413, reason: "too_large" });
  await assert.rejects(heyi.decode(join(directory, "none.png")), { code: 0, detail: /uploadFile:fail/ });
});

test("a code that is perhaps no receive code must be confirmed", async () => {
  const { wx } = phone("confirm");
  const heyi = client(wx);
  const wish = { ...WISH, payloads: { alipay: "https://qr.alipay.com/c1x0123456789abcdefghij" } };
  await assert.rejects(heyi.order(wish), { code: 400, unconfirmed: "alipay", message: /^这是 alipay 的码.*付一小笔钱$/ });
  const english = client(wx, { language: "en" });
  await assert.rejects(english.order(wish), { unconfirmed: "alipay", message: /^This is a code of alipay.*pay a small amount with it first$/ });
  assert.ok((await heyi.order({ ...wish, confirmed: true })).outTradeNo);
  heyi.forget();
});

test("WeChat's refusal and a network that is away are told apart", async () => {
  const { wx } = phone("away");
  wx.loginCode = `code-away-${process.pid}x0`;
  await client(wx).login();
  await assert.rejects(client(wx).login(), { code: 40163, message: "微信登录没有成功，请再试一次", detail: /code been used/ });
  const away = client(wx, { baseUrl: "http://127.0.0.1:9", storageKey: "away" });
  await assert.rejects(away.list(), { name: "HeyiError", code: 0, message: "网络不通，请检查网络后再试", detail: /request:fail/ });
});

test("people read messages in their language, without names of routes", async () => {
  const { wx } = phone("language", { onPay: "cancel" });
  const failure = (task) => task.then(assert.fail, (error) => error);
  const said = async (heyi) => {
    const native = { ...(await heyi.order(WISH)), params: undefined };
    heyi.forget();
    const { request } = wx;
    const noApi = () => (wx.request = ({ success }) => success({ statusCode: 502, data: "<html>" }));
    const noPage = Object.assign(Object.create(wx), { navigateToMiniProgram: ({ fail }) => fail({ errMsg: "fail cancel" }) });
    const busy = Object.assign(Object.create(wx), {
      request: ({ success }) => success({ statusCode: 200, data: { errcode: -1, errmsg: "system error, rid: 1" } }),
    });
    const failures = [
      await failure(heyi.pay(native)),
      await failure(heyi.wait(SOON)),
      await failure(client(noPage, { language: heyi._language }).pay(await heyi.order(WISH))),
      await failure(client(busy, { language: heyi._language, storageKey: "busy" }).login()),
      await failure((noApi(), heyi.list())),
    ];
    wx.request = request;
    heyi.forget();
    return failures;
  };
  for (const [language, of] of [["zh_CN", "zh"], ["en_US", "en"], ["fr", "zh"], [undefined, "zh"]]) {
    wx.getAppBaseInfo = () => ({ language });
    const failures = await said(client(wx));
    for (const { message } of failures) {
      assert.doesNotMatch(message, /[/_:]|wx\.|HTTP/);
      assert.equal(/[一-龥]/.test(message), of === "zh", message);
    }
    assert.deepEqual(failures.map(({ code }) => code), [0, 0, 0, -1, 502]);
  }
  delete wx.getAppBaseInfo;
  wx.getSystemInfoSync = () => ({ language: "en" });
  assert.match((await said(client(wx)))[0].message, /not paid in a mini-program/);
});
