"use strict";

const assert = require("node:assert/strict");
const { createHash } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");

const { Heyi, HeyiError, md5, sign } = require("../heyi.js");
const exported = require("../heyi.js");

const KEY = "EXAMPLEKEY123456";
const ORDER = {
  body: "收款码合成",
  mchid: "1600000001",
  nonce: "5f2b0c3d9e8a4716b0d1c2e3f4a5b6c7",
  notify_url: "https://example.com/api/payjs/notify",
  out_trade_no: "QR20250101123456ABCDEF",
  total_fee: 990,
};

test("MD5 is that of everybody else, whatever the length and the script", () => {
  const theirs = (text) => createHash("md5").update(text, "utf8").digest("hex").toUpperCase();
  for (let length = 0; length <= 260; length++) {
    const text = "aé码😀".repeat(length).slice(0, length).replace(/[\ud800-\udbff]$/, "x");
    assert.equal(md5(text), theirs(text), `${length}`);
  }
  assert.equal(md5("a".repeat(100000)), theirs("a".repeat(100000)));
});

test("signatures are PayJS's", () => {
  assert.equal(sign({ ...ORDER, attach: "订单42-永久版" }, KEY), "6D949D211E27AE1A2BE218251846F9A9");
  assert.equal(sign(ORDER, KEY), "210019545710991F266851B736A664CE");
  const example = { mchid: 12345, total_fee: 1, out_trade_no: "123123123123" };
  assert.equal(sign(example, "xxxxxxxxx"), "D284B39BA646EB978DF4FF1F5E59D2AD");
});

test("what has no value takes no part, a zero does", () => {
  for (const nothing of ["", null, undefined]) {
    assert.equal(sign({ ...ORDER, attach: nothing }, KEY), sign(ORDER, KEY));
  }
  assert.equal(sign({ ...ORDER, sign: "x" }, KEY), sign(ORDER, KEY));
  assert.equal(sign({ ...ORDER, attach: "0" }, KEY), "CA3010A84730250DADFF1EF469E5066D");
});

test("the types name what there is and nothing else", () => {
  const types = readFileSync(join(__dirname, "../heyi.d.ts"), "utf8");
  const named = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(named.sort(), Object.keys(exported).sort());
  const [, body] = types.match(/^export class Heyi \{\n([^]*?)^\}/m);
  const typed = [...body.matchAll(/^  (?:readonly )?(\w+)[(:]/gm)].map(([, name]) => name);
  const members = Object.getOwnPropertyNames(Heyi.prototype).filter((name) => !name.startsWith("_"));
  assert.deepEqual(typed.sort(), members.sort());
  const error = new HeyiError("message", 500, { state: "pending" });
  assert.deepEqual([error.message, error.code, error.state], ["message", 500, "pending"]);
});
