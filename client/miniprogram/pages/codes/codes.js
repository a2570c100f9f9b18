"use strict";

const PRICE = 990; // one of orders.prices

const PLATFORMS = require("../../platforms.js").map(({ platform, zh }) => ({ platform, label: zh }));

// Where the person pays. The other two serve merchants for whom PayJS opens no mini-program.
const CHANNELS = [
  { channel: "miniapp", label: "在小程序里支付" },
  { channel: "cashier", label: "用收银台网页支付" },
  { channel: "native", label: "用另一台手机扫码支付" },
];

const POSTERS = [
  { style: "classic", label: "经典" },
  { style: "dark", label: "深色" },
  { style: "stand", label: "桌牌" },
  { style: "sticker", label: "贴纸" },
  { style: "pair", label: "带微信和支付宝的码" },
];

const app = getApp();

Page({
  data: { platforms: PLATFORMS, channels: CHANNELS, channel: 0, toPay: "", price: (PRICE / 100).toFixed(2), name: "", payloads: {}, codes: [], next: "", editing: "", message: "", busy: false },

  onLoad() {
    return this.run(() => this.refresh());
  },

  // Also when the person comes back from PayJS, or after WeChat had ended us meanwhile.
  onShow() {
    const { heyi, back } = app;
    app.back = null;
    if (!heyi.pending || this.waiting) return undefined;
    if (back && !back.success) return this.setData({ message: "还没有付款。付过了？下拉刷新试试" });
    return this.run(() => this.wait());
  },

  onPullDownRefresh() {
    const done = () => wx.stopPullDownRefresh();
    const refreshed = this.run(() => (app.heyi.pending ? this.wait() : this.refresh()));
    return refreshed.then(done, done);
  },

  typeName({ detail }) {
    this.setData({ name: detail.value });
  },

  typePayload({ currentTarget, detail }) {
    this.setData({ [`payloads.${currentTarget.dataset.platform}`]: detail.value });
  },

  // The api reads the picture of a receive code, and says whose it is.
  choose() {
    const read = async (path) => {
      const { platform, payload } = await app.heyi.decode(path);
      const { label } = PLATFORMS.find((known) => known.platform === platform);
      this.setData({ [`payloads.${platform}`]: payload, message: `读出了${label}收款码` });
    };
    const picked = ({ tempFiles: [file] }) => this.run(() => read(file.tempFilePath));
    wx.chooseMedia({ count: 1, mediaType: ["image"], sourceType: ["album"], success: picked });
  },

  // WeChat's own scanner reads a code on paper or a screen.
  scan({ currentTarget }) {
    const { platform } = currentTarget.dataset;
    wx.scanCode({ scanType: ["qrCode"], success: ({ result }) => this.setData({ [`payloads.${platform}`]: result }) });
  },

  // `confirmed` says that codes which are perhaps no receive codes are some.
  save({ confirmed } = {}) {
    return this.run(async () => {
      const content = { name: this.data.name.trim(), payloads: this.filled(), confirmed };
      if (this.data.editing) {
        await app.heyi.update(this.data.editing, content);
        this.setData({ editing: "", name: "", payloads: {}, message: "已修改，印好的码不用换" });
        return this.refresh();
      }
      const { channel } = CHANNELS[this.data.channel];
      const order = await app.heyi.order(Object.assign({ totalFee: PRICE, channel }, content));
      if (channel === "miniapp") return app.heyi.pay(order);
      this.setData({ toPay: order.cashierUrl || order.codeUrl });
      return this.wait(channel === "cashier" ? "请复制地址，发给自己，在微信里打开并付款" : "请把下面的内容做成二维码，用微信扫码付款");
    });
  },

  chooseChannel({ detail }) {
    this.setData({ channel: Number(detail.value) });
  },

  copy() {
    wx.setClipboardData({ data: this.data.toPay });
  },

  edit({ currentTarget }) {
    const { id, name, payloads } = this.code(currentTarget);
    this.setData({ editing: id, name, payloads: Object.assign({}, payloads), message: "" });
  },

  cancel() {
    this.setData({ editing: "", name: "", payloads: {} });
  },

  show({ currentTarget }) {
    wx.previewImage({ urls: [app.heyi.pictureUrl(this.code(currentTarget).id, { size: 1024 })] });
  },

  poster({ currentTarget }) {
    const { id } = this.code(currentTarget);
    const picked = ({ tapIndex }) => wx.previewImage({ urls: [app.heyi.posterUrl(id, { style: POSTERS[tapIndex].style })] });
    wx.showActionSheet({ itemList: POSTERS.map(({ label }) => label), success: picked });
  },

  stats({ currentTarget }) {
    return this.run(async () => {
      const { total, days } = await app.heyi.stats(this.code(currentTarget).id);
      const lines = days.slice(0, 7).map((day) => `${day.day}：${day.total} 次`);
      wx.showModal({ title: `30 天内扫码 ${total} 次`, content: lines.join("\n") || "还没有人扫", showCancel: false });
    });
  },

  changes({ currentTarget }) {
    return this.run(async () => {
      const { changes } = await app.heyi.changes(this.code(currentTarget).id);
      const lines = changes.map(({ changedAt, name }) => `${changedAt}：此前叫“${name}”`);
      wx.showModal({ title: "最近的修改", content: lines.join("\n"), showCancel: false });
    });
  },

  more() {
    return this.run(async () => this.append(await app.heyi.list({ before: this.data.next })));
  },

  remove({ currentTarget }) {
    const { id, name } = this.code(currentTarget);
    const removed = async ({ confirm }) => {
      if (!confirm) return;
      await app.heyi.remove(id);
      await this.refresh();
    };
    wx.showModal({
      title: "删除这个收款码？",
      content: `印出去的码会失效。\n${name}`,
      success: (answer) => this.run(() => removed(answer)),
    });
  },

  async refresh() {
    const page = await app.heyi.list();
    this.setData({ codes: [] });
    this.append(page);
  },

  append({ codes, next = "" }) {
    const labels = (payloads) => PLATFORMS.filter(({ platform }) => payloads[platform]).map(({ label }) => label);
    const labelled = codes.map((code) => Object.assign({ labels: labels(code.payloads).join("、") }, code));
    this.setData({ codes: this.data.codes.concat(labelled), next });
  },

  async wait(message = "正在确认付款…") {
    this.waiting = true;
    this.setData({ message });
    try {
      await app.heyi.wait();
    } finally {
      this.waiting = false;
    }
    this.setData({ name: "", payloads: {}, toPay: "", message: "合成码好了" });
    await this.refresh();
  },

  // One thing at a time; failures are shown.
  async run(task) {
    this.setData({ busy: true });
    try {
      await task();
    } catch (error) {
      this.setData({ message: error.message });
      // A picture of WeChat's and Alipay's codes side by side.
      if (error.reason === "several_codes") this.setData({ payloads: Object.assign({}, this.data.payloads, error.payloads) });
      if (error.unconfirmed) this.confirm(error.message);
    }
    this.setData({ busy: false });
  },

  confirm(content) {
    const success = ({ confirm }) => confirm && this.save({ confirmed: true });
    wx.showModal({ title: "确定是收款码？", content, success });
  },

  code({ dataset }) {
    return this.data.codes.find(({ id }) => id === dataset.id);
  },

  filled() {
    const { payloads } = this.data;
    const names = Object.keys(payloads).filter((platform) => payloads[platform].trim());
    return names.reduce((kept, name) => Object.assign(kept, { [name]: payloads[name].trim() }), {});
  },
});
