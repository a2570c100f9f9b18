"use strict";

// Generated from common/src/platform.rs. The platforms that are offered, in the order in which they are shown.
module.exports = [
  { platform: "wechat", zh: "微信", en: "WeChat" },
  { platform: "alipay", zh: "支付宝", en: "Alipay" },
  { platform: "qq", zh: "QQ", en: "QQ" },
  { platform: "unionpay", zh: "云闪付", en: "UnionPay" },
  { platform: "jd", zh: "京东", en: "JD" },
];
