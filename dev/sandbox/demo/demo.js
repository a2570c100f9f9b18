"use strict";

// Plays the mini-program with its very own client, on a WeChat that wx.js plays.

// The platforms by key: a label in both languages and a sample. Like the apps, they come with the settings.
const PLATFORMS = {};

const PHONE = "Mozilla/5.0 (Linux; Android 14; Sandbox) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0 Mobile Safari/537.36";
// User-Agents by app.
const APPS = {};
const BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";

const STYLES = { classic: "经典", dark: "深色", stand: "桌牌", sticker: "贴纸", pair: "双码" };
const POLL_EVERY_MS = 1500;
const ids = (id) => document.getElementById(id);
let heyi;
const ready = fetch("/demo/settings.json")
  .then((answer) => answer.json())
  .then((settings) => {
    heyi = new Heyi({ baseUrl: `${location.origin}/api`, appKey: settings.app_key });
    for (const { key, label, sample, agent } of settings.platforms) {
      PLATFORMS[key] = [label, sample];
      APPS[label] = `${PHONE} ${agent}`;
    }
    APPS["浏览器 browser"] = BROWSER;
  });

// 1 Sign in.

async function signIn(name) {
  wx.name = name;
  wx.setStorageSync("demo.name", name);
  await heyi.login();
  showCodes(await heyi.listAll());
  showUser();
}

function showUser() {
  const { openid } = heyi;
  ids("who").hidden = ids("order").hidden = ids("mine").hidden = !openid;
  if (!openid) return;
  ids("who").textContent = `openid ${openid}`;
  ids("login-form").elements.name.value = wx.name;
}

// 2 Order and pay.

function fillIn() {
  const fields = ids("order-form").elements;
  fields.name.value ||= "小店 " + random("0123456789", 3);
  for (const [platform, [, sample]] of Object.entries(PLATFORMS)) fields[platform].value = sample;
}

// A picture may be of another app than the one beside which it was chosen.
async function read(picker) {
  const path = URL.createObjectURL(picker.files[0]);
  try {
    const { platform, payload } = await heyi.decode(path);
    ids("order-form").elements[platform].value = payload;
    say(`读出了 the code is read: ${PLATFORMS[platform][0]}`, true);
  } finally {
    URL.revokeObjectURL(path);
    picker.value = "";
  }
}

async function order(fields) {
  const payloads = {};
  for (const platform of Object.keys(PLATFORMS)) {
    const text = fields[platform].value.trim();
    if (text) payloads[platform] = text;
  }
  const wish = { name: fields.name.value.trim(), payloads, totalFee: Number(fields.fee.value), channel: fields.channel.value };
  const made = await heyi.order(wish);
  if (made.cashierUrl) location.assign(made.cashierUrl);
  // In place of scanning its code.
  else if (made.codeUrl) location.assign(`/payjs/miniapp/${made.payjsOrderId}`);
  else await heyi.pay(made);
}

// 3 Back from PayJS: wait for the code.

function comeBack() {
  const options = wx.getEnterOptionsSync();
  heyi.cameBack(options);
  const { extraData } = options.referrerInfo ?? {};
  if (extraData && !extraData.success) {
    heyi.forget();
    say("没有支付 not paid");
  }
}

async function wait() {
  const { pending } = heyi;
  ids("wait").hidden = !pending;
  ids("order").hidden = Boolean(pending) || !heyi.openid;
  if (!pending) return;
  ids("out-trade-no").textContent = pending.outTradeNo;
  ids("payjs-order-id").textContent = pending.payjsOrderId ?? "";
  ids("state").textContent = "pending";
  ids("spinner").hidden = false;
  try {
    const id = await heyi.wait({ every: POLL_EVERY_MS });
    ids("wait").hidden = true;
    ids("order").hidden = false;
    say("合成码好了 the code is ready", true);
    showCode(id);
    await refresh();
  } catch (error) {
    ids("state").textContent = `${error.state ?? error.code}: ${error.message}`;
    ids("spinner").hidden = true;
  }
}

// 4 The code, and its page in each app.

function showCode(id) {
  ids("code").hidden = false;
  ids("picture").src = heyi.pictureUrl(id, { format: "svg" });
  ids("link").textContent = ids("link").href = heyi.pageUrl(id);
  const posters = Object.entries(STYLES).map(([style, label]) => {
    const href = heyi.posterUrl(id, { style, format: "svg" });
    const link = Object.assign(document.createElement("a"), { href, target: "_blank", rel: "noopener" });
    link.append(...labelled(`${label} ${style}`));
    return link;
  });
  ids("posters").replaceChildren(...posters.flatMap((link) => [link, " "]));
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
  const response = await fetch(heyi.pageUrl(id), {
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
  // What the page leads to is beside it.
  ids("page").srcdoc = (await response.text()).replace("<head>", `<head><base href="${response.url}">`);
}

// 5 My codes.

async function refresh() {
  if (heyi.openid) showCodes(await heyi.listAll());
}

function showCodes(codes) {
  const rows = codes.map((code) => {
    const row = document.createElement("li");
    const about = document.createElement("div");
    const detail = document.createElement("small");
    const platforms = Object.keys(code.payloads).map((platform) => PLATFORMS[platform]?.[0] ?? platform);
    detail.textContent = `${new Date(code.created_at).toLocaleString()} · ${platforms.join("、")}`;
    if (code.updatedAt) detail.textContent += ` · 改过 changed ${new Date(code.updatedAt).toLocaleString()}`;
    about.append(code.name, detail);
    row.append(
      about,
      button("查看 view", () => showCode(code.id)),
      button("改名 rename", () => rename(code)),
      button("统计 scans", () => tell(code)),
      button("删除 delete", () => remove(code.id)),
    );
    return row;
  });
  const empty = document.createElement("li");
  empty.className = "empty";
  empty.textContent = "还没有 none yet";
  ids("codes").replaceChildren(...(rows.length ? rows : [empty]));
}

async function rename({ id, name: before, payloads }) {
  const name = prompt("新的名称 new name", before);
  if (name === null) return;
  await heyi.update(id, { name, payloads });
  await refresh();
}

async function tell({ id, name }) {
  const { total, days } = await heyi.stats(id);
  const today = days.length ? ` · ${JSON.stringify(days[0])}` : "";
  say(`${name}：扫码 ${total} 次 scans${today}`, true);
}

async function remove(id) {
  await heyi.remove(id);
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
    await ready.then(task).catch(fail);
    pressed.disabled = false;
  });
}

// The English part of a label is smaller.
function labelled(text) {
  const [chinese, ...english] = text.split(" ");
  if (!english.length) return [chinese];
  const span = Object.assign(document.createElement("span"), { lang: "en", textContent: english.join(" ") });
  return [chinese, " ", span];
}

function button(text, task) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(...labelled(text));
  on(made, "click", task);
  return made;
}

async function start() {
  wx.name = wx.getStorageSync("demo.name");
  await ready;
  for (const [platform, [label]] of Object.entries(PLATFORMS)) {
    const row = document.createElement("label");
    const input = document.createElement("input");
    input.name = platform;
    input.autocomplete = "off";
    row.append(...labelled(label), input);
    const picker = document.createElement("input");
    picker.type = "file";
    picker.accept = "image/*";
    on(picker, "change", () => picker.files.length && read(picker));
    const pair = document.createElement("div");
    pair.className = "pair";
    const choice = Object.assign(document.createElement("span"), { className: "button" });
    choice.append(...labelled("图片 picture"));
    const chooser = Object.assign(document.createElement("label"), { className: "picture" });
    picker.setAttribute("aria-label", `${label} 收款码的图片 picture`);
    chooser.append(picker, choice);
    pair.append(row, chooser);
    ids("payloads").append(pair);
  }
  on(ids("login-form"), "submit", () => signIn(ids("login-form").elements.name.value.trim()));
  on(ids("order-form"), "submit", () => order(ids("order-form").elements));
  on(ids("fill"), "click", fillIn);
  on(ids("refresh"), "click", refresh);
  on(ids("stop-waiting"), "click", () => (heyi.forget(), location.reload()));
  comeBack();
  showUser();
  await Promise.all([refresh(), wait()]);
}

start().catch(fail);
