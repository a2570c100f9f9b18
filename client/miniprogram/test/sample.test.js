"use strict";

const assert = require("node:assert/strict");
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { test } = require("node:test");

const { Heyi } = require("../heyi.js");
const { HEYI_URL, HEYI_APP_KEY, PAYLOADS, onPayjs, phone } = require("./wx.js");

const ROOT = join(__dirname, "..");
const { wx, seen } = phone("sample");
let app;
let page;

globalThis.wx = wx;
globalThis.App = (given) => (app = given);
globalThis.getApp = () => app;
globalThis.Page = (given) => (page = given);
require("../app.js");
require("../pages/codes/codes.js");

// As WeChat does it; a name may be a path.
page.setData = function setData(changes) {
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split(".");
    const last = names.pop();
    names.reduce((at, name) => at[name], this.data)[last] = value;
  }
};

const tap = (id) => ({ currentTarget: { dataset: { id } } });
const type = (platform, value) => ({ currentTarget: { dataset: { platform } }, detail: { value } });

test("the page is one of the app's, with all that its markup calls for", () => {
  const { pages, navigateToMiniProgramAppIdList } = JSON.parse(readFileSync(join(ROOT, "app.json"), "utf8"));
  assert.deepEqual(pages, ["pages/codes/codes"]);
  assert.deepEqual(navigateToMiniProgramAppIdList, ["wx959c8c1fb2d877b5"]);
  const markup = readFileSync(join(ROOT, "pages/codes/codes.wxml"), "utf8");
  const handlers = [...markup.matchAll(/\bbind\w+="(\w+)"/g)].map(([, name]) => name);
  assert.ok(handlers.length > 5);
  for (const name of handlers) assert.equal(typeof page[name], "function", name);
});

test("the page leads from an empty list to a code, a change, its scans and its end", async () => {
  assert.equal(app.heyi.pageUrl("1"), "https://heyi.example.com/qr?id=1");
  app.heyi = new Heyi({ baseUrl: HEYI_URL, appKey: HEYI_APP_KEY, wx });
  await page.onLoad();
  assert.deepEqual([page.data.codes, page.data.message], [[], ""]);

  page.typeName({ detail: { value: " 街角小店 " } });
  page.typePayload(type("wechat", PAYLOADS.wechat));
  page.typePayload(type("qq", " "));
  page.scan(type("alipay"));
  const paid = new Promise((resolve) => {
    wx.onShow = (options) => {
      app.onShow(options);
      resolve(page.onShow());
    };
  });
  await page.save();
  await paid;
  assert.equal(page.data.message, "合成码好了");
  const [code] = page.data.codes;
  assert.deepEqual([code.name, code.labels], ["街角小店", "微信、支付宝"]);
  assert.equal(page.onShow(), undefined, "there is nothing to wait for any more");

  page.show(tap(code.id));
  const picture = await fetch(seen.images[0]);
  assert.equal(picture.headers.get("content-type"), "image/png");

  seen.images.length = 0;
  page.poster(tap(code.id));
  assert.equal(seen.images.length, 5);
  for (const url of seen.images) {
    const poster = await fetch(url);
    assert.deepEqual([poster.status, poster.headers.get("content-type")], [200, "image/png"], url);
  }

  page.edit(tap(code.id));
  page.typeName({ detail: { value: "新店" } });
  await page.save();
  assert.deepEqual([page.data.codes[0].name, page.data.editing], ["新店", ""]);
  assert.equal(typeof page.data.codes[0].updatedAt, "string");
  await page.changes(tap(code.id));
  assert.match(seen.modals.pop().content, /街角小店/);
  assert.equal(page.data.next, "");
  page.edit(tap(code.id));
  page.typeName({ detail: { value: "" } });
  await page.save();
  assert.match(page.data.message, /data\.name/);
  page.cancel();

  await page.stats(tap(code.id));
  assert.match(seen.modals[0].title, /扫码 0 次/);
  page.remove(tap(code.id));
  await wx.answered;
  assert.deepEqual([page.data.codes, page.data.busy], [[], false]);
  await page.onPullDownRefresh();
});

// As in the developer tools without an appid: each login gives the same code.
test("a picture is read and an order paid over each other channel, without an appid", async (context) => {
  wx.loginCode = "the code is a mock one";
  app.heyi = new Heyi({ baseUrl: HEYI_URL, appKey: HEYI_APP_KEY, storageKey: "mock", wx });
  await app.heyi.login();
  await page.onLoad();

  const directory = mkdtempSync(join(tmpdir(), "heyi-"));
  context.after(() => rmSync(directory, { recursive: true }));
  wx.album = join(directory, "code.png");
  let number = 0;
  for (const [index, channel] of ["miniapp", "cashier", "native"].entries()) {
    page.chooseChannel({ detail: { value: String(index) } });
    page.typeName({ detail: { value: channel } });
    page.typePayload(type("alipay", PAYLOADS.alipay));
    const paid = new Promise((resolve) => {
      wx.onShow = (options) => {
        app.onShow(options);
        resolve(page.onShow());
      };
    });
    const saved = page.save();
    if (channel === "miniapp") {
      await saved;
      await paid;
    } else {
      while (!page.data.toPay) await new Promise((resolve) => setTimeout(resolve, 20));
      page.copy();
      await onPayjs(await numberOf(channel), "pay");
      await saved;
    }
    assert.deepEqual([page.data.message, page.data.toPay], ["合成码好了", ""]);
    number += 1;
    assert.deepEqual([page.data.codes.length, page.data.codes[0].name], [number, channel]);
  }

  const [{ id }] = page.data.codes;
  writeFileSync(wx.album, Buffer.from(await (await fetch(`${app.heyi.pictureUrl(id, { size: 400 })}&as=alipay`)).arrayBuffer()));
  page.choose();
  await wx.answered;
  assert.deepEqual([page.data.message, page.data.payloads], ["读出了支付宝收款码", { alipay: PAYLOADS.alipay }]);
});

// PayJS's number of the order whose address or code was copied.
async function numberOf(channel) {
  if (channel === "native") return app.heyi.pending.payjsOrderId;
  const cashier = await (await fetch(wx.clipboard)).text();
  return cashier.match(/payjs\/miniapp\/(\d+)\/pay/)[1];
}
