"use strict";

// Plays the mini-program. What it must remember while PayJS is open is in the session's storage.

const PLATFORMS = {
  wechat: ["微信", () => "wxp://f2f0" + "SANDBOX_NOT_A_REAL_CODE_" + random("0123456789abcdef", 30)],
  alipay: ["支付宝", () => "https://qr.alipay.com/fkx" + "sandboxfake" + random("0123456789", 9)],
  qq: ["QQ", () => "https://i.qianbao.qq.com/wallet/sqrcode.htm?m=tenpay&f=wallet&a=1&u=10001&ac="
    + "0".repeat(32) + random("0123456789ABCDEF", 32) + "&n=heyi"],
  unionpay: ["云闪付", () => "https://qr.95516.com/00010000/" + "0".repeat(20) + random("0123456789", 10)],
  jd: ["京东", () => "https://h5pay.jd.com/c2cIndex?t=" + "0".repeat(16) + random("0123456789abcdef", 16)],
};

const PHONE = "Mozilla/5.0 (Linux; Android 14; Sandbox) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0 Mobile Safari/537.36";
const APPS = {
  微信: `${PHONE} MicroMessenger/8.0.50 NetType/WIFI Language/zh_CN`,
  支付宝: `${PHONE} AliApp(AP/10.5.80.8000) AlipayClient/10.5.80.8000 Language/zh-Hans`,
  QQ: `${PHONE} MQQBrowser/6.2 TBS/046613 V1_AND_SQ_8.9.80_0_YYB_D QQ/8.9.80.12440 NetType/WIFI`,
  云闪付: `${PHONE} (com.unionpay.chsp) (UnionPay/1.0 CloudPay)`,
  京东: `jdapp;android;12.3.1;;;${PHONE} MQQBrowser/6.2 TBS/046613`,
  浏览器: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
};

const POLL_EVERY_MS = 1500;
const ids = (id) => document.getElementById(id);
let waiting = null;

// What is remembered.

function recall(key) {
  return JSON.parse(sessionStorage.getItem(key) ?? "null");
}

function remember(key, value) {
  if (value === null) sessionStorage.removeItem(key);
  else sessionStorage.setItem(key, JSON.stringify(value));
}

// Calls.

function sign(params, key) {
  const joined = Object.keys(params)
    .filter((name) => String(params[name]) !== "")
    .sort()
    .map((name) => `${name}=${params[name]}&`)
    .join("");
  return md5(`${joined}key=${key}`);
}

async function call(route, params, key) {
  const body = key ? { ...params, sign: sign(params, key) } : params;
  const response = await fetch(`/api${route}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
  return response.json().catch(() => ({ errcode: response.status, errmsg: "不是 JSON not JSON" }));
}

async function callOrFail(route, params, key) {
  const answer = await call(route, params, key);
  if (answer.errcode !== 200) throw new Error(`${route}: ${answer.errmsg} (${answer.errcode})`);
  return answer;
}

// 1 Sign in.

async function signIn(name) {
  const settings = await (await fetch("/demo/settings.json")).json();
  const code = `code-${name.replaceAll("-", "_")}-${Date.now()}`;
  const answer = await callOrFail("/login", { code }, settings.app_key);
  remember("user", { name, openid: answer.openid, signKey: answer.signKey });
  showUser();
  showCodes(answer.userInfo);
}

function showUser() {
  const user = recall("user");
  ids("who").hidden = ids("order").hidden = ids("mine").hidden = !user;
  if (!user) return;
  ids("who").textContent = `openid ${user.openid}`;
  ids("login-form").elements.name.value = user.name;
}

// 2 Order and pay.

function fillIn() {
  const fields = ids("order-form").elements;
  fields.name.value ||= "小店 " + random("0123456789", 3);
  for (const [platform, [, sample]] of Object.entries(PLATFORMS)) fields[platform].value = sample();
}

async function order(fields) {
  const user = recall("user");
  const payloads = {};
  for (const platform of Object.keys(PLATFORMS)) {
    const text = fields[platform].value.trim();
    if (text) payloads[platform] = text;
  }
  const data = JSON.stringify({ openId: user.openid, name: fields.name.value.trim(), payloads });
  const totalFee = Number(fields.fee.value);
  const { params } = await callOrFail("/newOrder", { data, totalFee }, user.signKey);
  remember("order", { out_trade_no: params.out_trade_no });
  const extraData = Object.entries(params).filter(([, value]) => value !== null);
  location.assign(`/payjs/miniapp?${new URLSearchParams(extraData)}`);
}

// 3 Back from PayJS: wait for the code.

function comeBack() {
  const extraData = new URLSearchParams(location.search);
  if (!extraData.has("outTradeNo")) return;
  history.replaceState(null, "", "/");
  if (extraData.get("success") === "true") {
    remember("order", { out_trade_no: extraData.get("outTradeNo"), payjs_order_id: extraData.get("payjsOrderId") });
  } else {
    remember("order", null);
    say("没有支付 not paid");
  }
}

function showWait() {
  const order = recall("order");
  clearTimeout(waiting);
  const isWaiting = Boolean(order?.payjs_order_id);
  ids("wait").hidden = !isWaiting;
  ids("order").hidden = isWaiting || !recall("user");
  if (!isWaiting) return;
  ids("out-trade-no").textContent = order.out_trade_no;
  ids("payjs-order-id").textContent = order.payjs_order_id;
  poll(order).catch((error) => {
    ids("state").textContent = error.message;
    waiting = setTimeout(showWait, POLL_EVERY_MS);
  });
}

async function poll(order) {
  const answer = await call("/checkOrder", order);
  if (recall("order")?.out_trade_no !== order.out_trade_no) return;
  if (answer.errcode === 200) {
    remember("order", null);
    showWait();
    say("合成码好了 the code is ready", true);
    showCode(answer.order_id);
    await refresh();
    return;
  }
  ids("state").textContent = `${answer.state ?? answer.errcode}: ${answer.errmsg ?? ""}`;
  ids("spinner").hidden = answer.state === "failed";
  if (answer.state !== "failed") waiting = setTimeout(showWait, POLL_EVERY_MS);
}

// 4 The code, and its page in each app.

function showCode(id) {
  ids("code").hidden = false;
  ids("picture").src = `/api/qr/${encodeURIComponent(id)}.svg`;
  ids("link").textContent = ids("link").href = `${location.origin}/api/qr?id=${encodeURIComponent(id)}`;
  const tabs = Object.entries(APPS).map(([app, agent]) => {
    const tab = button(app, async () => {
      for (const other of tabs) other.setAttribute("aria-pressed", String(other === tab));
      await scan(id, agent);
    });
    return tab;
  });
  ids("apps").replaceChildren(...tabs);
  ids("code").scrollIntoView();
  tabs[0].click();
}

async function scan(id, agent) {
  const response = await fetch(`/api/qr?id=${encodeURIComponent(id)}`, {
    headers: { Accept: "text/html", "X-Sandbox-User-Agent": agent, "X-Sandbox-Show-Redirect": "1" },
  });
  const isRedirect = response.headers.get("Content-Type")?.includes("json");
  ids("page").hidden = isRedirect;
  if (isRedirect) {
    const shown = await response.json();
    ids("seen").textContent = shown.location
      ? `HTTP ${shown.status}，跳转到 redirects to ${shown.location}`
      : JSON.stringify(shown);
    return;
  }
  ids("seen").textContent = `HTTP ${response.status}`;
  // The page believes to be at the root of the api.
  ids("page").srcdoc = (await response.text()).replace(/\b(src|href)="\/(?!\/)/g, '$1="/api/');
}

// 5 My codes.

async function refresh() {
  const user = recall("user");
  if (!user) return;
  const answer = await callOrFail("/reflash", { openId: user.openid }, user.signKey);
  showCodes(answer.userInfo);
}

function showCodes(codes) {
  const rows = codes.map((code) => {
    const row = document.createElement("li");
    const about = document.createElement("div");
    const detail = document.createElement("small");
    const platforms = Object.keys(code.payloads).map((platform) => PLATFORMS[platform]?.[0] ?? platform);
    detail.textContent = `${new Date(code.created_at).toLocaleString()} · ${platforms.join("、")}`;
    about.append(code.name, detail);
    row.append(about, button("查看", () => showCode(code.id)), button("删除", () => remove(code.id)));
    return row;
  });
  const empty = document.createElement("li");
  empty.className = "empty";
  empty.textContent = "还没有 none yet";
  ids("codes").replaceChildren(...(rows.length ? rows : [empty]));
}

async function remove(id) {
  await callOrFail("/del", { id }, recall("user").signKey);
  ids("code").hidden = true;
  await refresh();
}

// The page.

function random(alphabet, count) {
  const numbers = crypto.getRandomValues(new Uint8Array(count));
  return Array.from(numbers, (number) => alphabet[number % alphabet.length]).join("");
}

function say(text, good = false) {
  ids("message").textContent = text;
  ids("message").className = good ? "message good" : "message";
  ids("message").hidden = !text;
}

function fail(error) {
  say(error.message);
  ids("message").scrollIntoView();
}

// Runs `task` when `target` is clicked or submitted, once at a time.
function on(target, event, task) {
  target.addEventListener(event, async (happening) => {
    happening.preventDefault();
    const pressed = happening.submitter ?? target;
    pressed.disabled = true;
    say("");
    await Promise.resolve().then(task).catch(fail);
    pressed.disabled = false;
  });
}

function button(text, task) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  on(made, "click", task);
  return made;
}

function start() {
  for (const [platform, [label]] of Object.entries(PLATFORMS)) {
    const row = document.createElement("label");
    const input = document.createElement("input");
    input.name = platform;
    input.autocomplete = "off";
    row.append(label, input);
    ids("payloads").append(row);
  }
  on(ids("login-form"), "submit", () => signIn(ids("login-form").elements.name.value.trim()));
  on(ids("order-form"), "submit", () => order(ids("order-form").elements));
  on(ids("fill"), "click", fillIn);
  on(ids("refresh"), "click", refresh);
  on(ids("stop-waiting"), "click", () => (remember("order", null), showWait()));
  comeBack();
  showUser();
  showWait();
  refresh().catch(fail);
}

start();
